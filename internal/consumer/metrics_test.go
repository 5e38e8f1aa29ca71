package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry/metrictest"
)

const (
	lagEvents    = `consumer_lag_events{log="orders"}`
	lagSeconds   = `consumer_lag_seconds{log="orders"}`
	atPosition   = `consumer_position{log="orders"}`
	deadLetters  = `consumer_dead_letters{log="orders"}`
	pollInterval = 3 * time.Second
)

// orders is an app with one log.
type orders struct{ events []contract.Event }

func (o *orders) commit(t *testing.T) sidecar.Delivery {
	n := uint64(len(o.events) + 1)
	o.events = append(o.events, contract.Event{ID: contract.EventID("orders", "orders", n, 0), Type: "did",
		Source: "orders", Partition: "orders", Commit: n, Position: n, At: time.Now()})
	return deliveryOf(t, o.events[n-1])
}

func (o *orders) fetch(_ context.Context, log consumer.Log, from uint64, limit int) (contract.FeedPage, error) {
	if log.Source != "orders" {
		return contract.FeedPage{}, errDown
	}
	head := uint64(len(o.events))
	next := max(from, min(from+uint64(limit), head+1))
	return contract.FeedPage{Events: o.events[from-1 : next-1], Next: next, Head: head}, nil
}

func deliveryOf(t *testing.T, e contract.Event) sidecar.Delivery {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	return sidecar.Delivery{ID: e.ID, Data: data}
}

// measured returns a consumer of the log and its metrics.
func measured(store sidecar.State, from *orders, h consumer.Handler) (*consumer.Consumer, *prometheus.Registry) {
	c := consumer.New(consumer.Options{State: store, Fetch: from.fetch, GiveUpAfter: time.Hour,
		Logs: []consumer.Log{{Source: "orders", Partition: "orders"}}, Handlers: map[string]consumer.Handler{"did": h}})
	reg := prometheus.NewPedanticRegistry()
	c.Measure(reg)
	return c, reg
}

func handled(context.Context, contract.Event) error { return nil }

// poll polls after the time between two polls.
func poll(t *testing.T, c *consumer.Consumer) {
	time.Sleep(pollInterval)
	c.Poll(t.Context())
}

func TestTheLagGrowsWhileAHandlerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, broken := &orders{}, true
		c, metrics := measured(memory.NewState(), from, func(context.Context, contract.Event) error {
			if broken {
				return errors.New("broken")
			}
			return nil
		})
		poll(t, c)
		got := metrictest.Read(t, metrics)
		require.Equal(t, []float64{0, 0, 0}, []float64{got[lagEvents], got[lagSeconds], got[atPosition]})
		retry := []sidecar.Outcome{sidecar.Retry}
		for range 2 {
			require.Equal(t, retry, c.Deliver(t.Context(), []sidecar.Delivery{from.commit(t)}))
		}
		poll(t, c) // the events could still be on their way
		for n := range 5 {
			poll(t, c)
			time.Sleep(time.Second) // the age grows between two polls too
			got = metrictest.Read(t, metrics)
			require.EqualValues(t, 2+n, got[lagEvents])
			require.InDelta(t, time.Since(from.events[0].At).Seconds(), got[lagSeconds], 1e-3)
			from.commit(t)
		}
		failed := got[`event_handler_duration_seconds_count{outcome="failed",type="did"}`]
		require.EqualValues(t, 2+5, failed, "each delivery and each poll but the first two")
		broken = false
		poll(t, c)
		poll(t, c)
		got = metrictest.Read(t, metrics)
		require.Equal(t, []float64{0, 0, 7}, []float64{got[lagEvents], got[lagSeconds], got[atPosition]})
		require.EqualValues(t, 7, got[`event_handler_duration_seconds_count{outcome="ok",type="did"}`])
		require.EqualValues(t, 7, got[`event_lag_seconds_count{type="did"}`])
	})
}

// The consumer has never read the log, and the broker delivers nothing: it catches up through the feed.
func TestTheLagShrinksWhileTheConsumerCatchesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from := &orders{}
		for range 10 {
			from.commit(t)
			time.Sleep(time.Minute)
		}
		var metrics *prometheus.Registry
		var lags, ages []float64
		c, metrics := measured(memory.NewState(), from, func(context.Context, contract.Event) error {
			got := metrictest.Read(t, metrics)
			lags, ages = append(lags, got[lagEvents]), append(ages, got[lagSeconds])
			return nil
		})
		require.NotContains(t, metrictest.Read(t, metrics), atPosition)
		poll(t, c)
		require.NotContains(t, metrictest.Read(t, metrics), lagEvents, "one poll cannot tell")
		poll(t, c)
		require.Equal(t, []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, lags)
		// While an event is handled, the time of the one before it is known.
		require.Equal(t, []float64{606, 606, 546, 486, 426, 366, 306, 246, 186, 126}, ages)
		got := metrictest.Read(t, metrics)
		require.Equal(t, []float64{0, 0, 10}, []float64{got[lagEvents], got[lagSeconds], got[atPosition]})

		// A broker that stays silent makes every event wait for two polls.
		for range 3 {
			from.commit(t)
			poll(t, c)
		}
		got = metrictest.Read(t, metrics)
		require.EqualValues(t, 1, got[lagEvents])
		require.InDelta(t, 2*pollInterval.Seconds(), got[lagSeconds], 1e-3)
	})
}

// A replica that gets no delivery shows no lag while another one handles the events.
func TestAnIdleReplicaShowsNoLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, store := &orders{}, memory.NewState()
		busy, _ := measured(store, from, handled)
		idle, metrics := measured(store, from, func(_ context.Context, e contract.Event) error {
			t.Errorf("it handles %s", e.ID)
			return nil
		})
		poll(t, idle)
		for n := range 5 {
			d := from.commit(t)
			poll(t, idle) // while the event is on its way
			require.Equal(t, []sidecar.Outcome{sidecar.Done}, busy.Deliver(t.Context(), []sidecar.Delivery{d}))
			busy.StoreCursors(t.Context())
			for range 3 {
				got := metrictest.Read(t, metrics)
				require.Equal(t, []float64{0, 0, float64(n)}, []float64{got[lagEvents], got[lagSeconds], got[atPosition]})
				time.Sleep(time.Second / 2)
			}
		}
		poll(t, idle)
		require.EqualValues(t, 5, metrictest.Read(t, metrics)[atPosition])
	})
}

func TestDeadLettersAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, store := &orders{}, memory.NewState()
		var mended atomic.Bool
		broken := func(context.Context, contract.Event) error {
			if mended.Load() {
				return nil
			}
			return errors.New("broken")
		}
		c, metrics := measured(store, from, broken)
		replica, others := measured(store, from, broken)
		stored := func(want int) {
			t.Helper()
			for _, m := range []*prometheus.Registry{metrics, others} {
				require.EqualValues(t, want, metrictest.Read(t, m)[deadLetters])
			}
		}
		both := func() {
			poll(t, c)
			replica.Poll(t.Context())
		}
		both()
		stored(0)
		for range 3 {
			failed := []sidecar.Delivery{from.commit(t)}
			require.Equal(t, []sidecar.Outcome{sidecar.Done}, c.DeliverDead(t.Context(), failed))
		}
		require.EqualValues(t, 3, metrictest.Read(t, metrics)[deadLetters], "at once")
		both()
		stored(3)
		require.NoError(t, c.Discard(t.Context(), "orders:orders:2"))
		require.Error(t, c.Replay(t.Context(), "orders:orders:1"))
		both()
		stored(2)
		mended.Store(true)
		require.NoError(t, replica.Replay(t.Context(), "orders:orders:1"))
		both()
		stored(1)
		restarted, after := measured(store, from, broken)
		poll(t, restarted)
		require.EqualValues(t, 1, metrictest.Read(t, after)[deadLetters])
		got := metrictest.Read(t, metrics)
		require.EqualValues(t, 3, got[`consumer_dead_letters_total{type="did"}`])
		require.EqualValues(t, 4, got[`event_handler_duration_seconds_count{outcome="dead-letter",type="did"}`])
	})
}

// Whoever can publish chooses sources and types. They add no series.
func TestNamesOfStrangersAddNoSeries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, metrics := measured(memory.NewState(), &orders{}, func(context.Context, contract.Event) error {
			return consumer.Permanent(errors.New("broken"))
		})
		for _, source := range []string{"x", "y", "z"} {
			for _, e := range []contract.Event{
				{ID: "1", Type: "did", Source: source}, {ID: "2", Type: source, Source: source},
				{ID: "3", Type: "did", Source: source, Partition: source, Position: 1},
				{Type: source},
			} {
				c.Deliver(t.Context(), []sidecar.Delivery{deliveryOf(t, e)})
			}
		}
		poll(t, c)
		poll(t, c)
		got := metrictest.Read(t, metrics)
		for series := range got {
			for _, name := range []string{`"x`, `"y`, `"z`, `"unknown`} {
				assert.NotContains(t, series, name)
			}
		}
		assert.EqualValues(t, 9, got[`consumer_dead_letters{log="other"}`])
		assert.EqualValues(t, 6, got[`consumer_dead_letters_total{type="did"}`])
		assert.EqualValues(t, 3, got[`consumer_dead_letters_total{type="other"}`], "deliveries that are no events")
	})
}
