package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/process"
	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumertest"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprdtest"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry"
	"haberdash/internal/transfer"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

func TestInMemory(t *testing.T) {
	t.Parallel()
	consumertest.Test(t, func(*testing.T) sidecar.State { return memory.NewState() })
}

func TestThroughSidecar(t *testing.T) {
	t.Parallel()
	consumertest.Test(t, func(t *testing.T) sidecar.State { return daprdtest.State(t, "orders") })
}

// A shutdown cancels attempts. Their events must not become dead letters.
func TestCancelledAttemptMakesNoDeadLetter(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := consumer.New(consumer.Options{State: memory.NewState(), Handlers: map[string]consumer.Handler{
		"did": func(ctx context.Context, _ contract.Event) error { cancel(); return ctx.Err() },
	}})
	for _, position := range []string{"0", "1"} { // 0: the source has no log
		e := `{"id":"e","type":"did","source":"src","partition":"p","position":` + position + `}`
		d := sidecar.Delivery{ID: "e", Data: []byte(e)}
		require.Equal(t, []sidecar.Outcome{sidecar.Retry}, c.DeliverDead(ctx, []sidecar.Delivery{d}))
	}
	list, _, err := c.DeadLetters(t.Context(), consumer.Bookmark{}, 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

// The handler of an event has the baggage of the request that caused it, however the event arrives.
func TestBaggageCrossesTheBus(t *testing.T) {
	t.Parallel()
	var carried []string
	c := consumer.New(consumer.Options{State: memory.NewState(), Handlers: map[string]consumer.Handler{
		"did": func(ctx context.Context, _ contract.Event) error {
			carried = append(carried, telemetry.Baggage(ctx))
			return nil
		},
	}})
	for i, baggage := range []string{"tenant=north", "", "not baggage"} {
		e := fmt.Sprintf(`{"id":"e%d","type":"did","source":"src","baggage":%q}`, i, baggage)
		d := sidecar.Delivery{ID: "e", Data: []byte(e)}
		require.Equal(t, []sidecar.Outcome{sidecar.Done}, c.Deliver(t.Context(), []sidecar.Delivery{d}))
	}
	require.Equal(t, []string{"tenant=north", "", ""}, carried)
}

// bounded is a store that refuses large values, as stores do.
type bounded struct{ *memory.State }

func (b bounded) Put(ctx context.Context, key string, value []byte, etag string, o ...sidecar.PutOption) error {
	if len(value) > sidecar.MaxValue {
		return sidecar.StoreUnavailable(errors.New("too large"))
	}
	return b.State.Put(ctx, key, value, etag, o...)
}

func TestAnyMessageCanBecomeADeadLetter(t *testing.T) {
	t.Parallel()
	c := consumer.New(consumer.Options{State: bounded{memory.NewState()}, Handlers: map[string]consumer.Handler{
		"did": func(_ context.Context, e contract.Event) error {
			return consumer.Permanent(errors.New(strings.Repeat("ö", 3<<20)))
		},
	}})
	large := strings.Repeat("<", 1<<20) // six times as long in JSON
	for _, data := range []string{"no event " + large, `"` + large + `"`, strings.Repeat("\x00", 1<<20),
		`{"id":"e","type":"did","source":"src","data":"` + large + large + `"}`,
		`{"id":"e","type":"did","source":"` + large + `"}`, `{"id":"` + large + `","type":"did","source":"src"}`} {
		require.Equal(t, []sidecar.Outcome{sidecar.Done},
			c.Deliver(t.Context(), []sidecar.Delivery{{ID: large, Data: []byte(data)}}))
	}
	list, _, err := c.DeadLetters(t.Context(), consumer.Bookmark{}, 10)
	require.NoError(t, err)
	require.Len(t, list, 6)
	require.True(t, strings.HasPrefix(list[0].Reason, "ööö"))
	require.Contains(t, list[1].Reason, "the delivery is not an event (only the beginning")
	for _, d := range list {
		require.Less(t, len(d.Reason)+len(d.Event.Data), 100_000)
	}
	require.True(t, fault.Is(c.Replay(t.Context(), list[0].ID), "not-handled"))
}

func TestDiscardMatchingDeletesDeadLettersOfAllLogs(t *testing.T) {
	t.Parallel()
	c := consumer.New(consumer.Options{State: memory.NewState(), Handlers: map[string]consumer.Handler{
		"did": func(context.Context, contract.Event) error { return consumer.Permanent(errors.New("broken")) },
	}})
	for i := range 250 {
		e := fmt.Sprintf(`{"id":"e%d","type":"did","source":"src%d","data":{"user":"%d"}}`, i, i%2, i%5)
		outcomes := c.Deliver(t.Context(), []sidecar.Delivery{{ID: "e", Data: []byte(e)}})
		require.Equal(t, []sidecar.Outcome{sidecar.Done}, outcomes)
	}
	match := func(e contract.Event) bool { return string(e.Data) == `{"user":"3"}` }
	for range 2 {
		require.NoError(t, c.DiscardMatching(t.Context(), match))
		list, _, err := c.DeadLetters(t.Context(), consumer.Bookmark{}, 1000)
		require.NoError(t, err)
		require.Len(t, list, 200)
		for _, d := range list {
			require.NotContains(t, string(d.Event.Data), "3")
		}
	}
}

func TestConcurrentlyHandlesAllEventsAtOnce(t *testing.T) {
	t.Parallel()
	events := make([]contract.Event, 20)
	for i := range events {
		events[i].Position = uint64(i + 1)
	}
	var all sync.WaitGroup
	all.Add(len(events))
	require.NoError(t, consumer.Concurrently(func(context.Context, contract.Event) error {
		all.Done()
		all.Wait() // never returns if the events are handled one after the other
		return nil
	})(t.Context(), events))
	failed := consumer.Concurrently(func(ctx context.Context, e contract.Event) error {
		if e.Position == 3 {
			panic("a bug")
		}
		<-ctx.Done() // an event that fails cancels the others
		return nil
	})(t.Context(), events)
	require.ErrorContains(t, failed, "a bug")
}

// While one replica handles an event, another replica may handle that event and later ones, and store its cursor. Then
// the first replica merges that cursor: it counts no event twice, and handles none of the later events again.
func TestReplicasCountEachEventOnce(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	var deliveries []sidecar.Delivery
	for n := uint64(1); n <= 4; n++ {
		e := contract.Event{ID: fmt.Sprint("src/p/", n), Type: "did", Source: "src", Partition: "p", Position: n}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		deliveries = append(deliveries, sidecar.Delivery{ID: e.ID, Topic: "t", Data: data})
	}
	replica := func(h consumer.Handler) *consumer.Consumer {
		return consumer.New(consumer.Options{State: store, StoreEvery: time.Nanosecond,
			Logs: []consumer.Log{{Source: "src", Partition: "p"}}, Handlers: map[string]consumer.Handler{"did": h}})
	}
	atSecond, proceed := make(chan struct{}), make(chan struct{})
	var handled []uint64
	slow := replica(func(_ context.Context, e contract.Event) error {
		handled = append(handled, e.Position)
		if e.Position == 2 {
			close(atSecond)
			<-proceed
		}
		return nil
	})
	quick := replica(func(context.Context, contract.Event) error { return nil })
	delivered := make(chan []sidecar.Outcome)
	go func() { delivered <- slow.Deliver(t.Context(), deliveries) }()
	<-atSecond
	done := sidecar.Done
	require.Equal(t, []sidecar.Outcome{done, done, done}, quick.Deliver(t.Context(), deliveries[:3]))
	slow.StoreCursors(t.Context())
	close(proceed)
	require.Equal(t, []sidecar.Outcome{done, done, done, done}, <-delivered)
	require.Equal(t, []uint64{1, 2, 4}, handled)
	cursors, err := slow.Cursors(t.Context())
	require.NoError(t, err)
	require.Equal(t, []contract.Cursor{{Source: "src", Partition: "p", Position: 4, Applied: 4}}, cursors)
}

func TestImportedConsumerContinuesAtItsCursor(t *testing.T) {
	t.Parallel()
	ctx, here, there := t.Context(), memory.NewState(), memory.NewState()
	var handled []uint64
	open := func(store sidecar.State) *consumer.Consumer {
		return consumer.New(consumer.Options{
			State: store, StoreEvery: time.Hour, Now: func() time.Time { return time.Unix(1000, 0) },
			Handlers: map[string]consumer.Handler{"did": func(_ context.Context, e contract.Event) error {
				if e.Position%100 == 0 {
					return consumer.Permanent(fmt.Errorf("%d is a hundred", e.Position))
				}
				handled = append(handled, e.Position)
				return nil
			}},
		})
	}
	did := func(position uint64) sidecar.Delivery {
		e := contract.Event{ID: fmt.Sprint(position), Type: "did", Source: "src", Partition: "p q", Position: position}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		return sidecar.Delivery{Data: data}
	}
	exported := open(here)
	for n := uint64(1); n <= 205; n++ {
		require.Equal(t, []sidecar.Outcome{sidecar.Done}, exported.Deliver(ctx, []sidecar.Delivery{did(n)}))
	}
	invalid := sidecar.Delivery{ID: "x", Data: []byte("no event")}
	require.Equal(t, []sidecar.Outcome{sidecar.Done}, exported.Deliver(ctx, []sidecar.Delivery{invalid}))
	var keys []string
	require.NoError(t, exported.Export(ctx, func(item sidecar.Item) error {
		keys = append(keys, item.Key)
		return transfer.Import(ctx, there, []sidecar.Item{item})
	}))
	require.Len(t, keys, 1+2+3, "the list of logs, two cursors, three dead letters")

	imported := open(there)
	want, err := exported.Cursors(ctx)
	require.NoError(t, err)
	got, err := imported.Cursors(ctx)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, uint64(205), got[0].Position)
	before, _, err := exported.DeadLetters(ctx, consumer.Bookmark{}, 10)
	require.NoError(t, err)
	after, _, err := imported.DeadLetters(ctx, consumer.Bookmark{}, 10)
	require.NoError(t, err)
	require.Len(t, after, 3)
	require.Equal(t, before, after)

	handled = nil
	imported.Deliver(ctx, []sidecar.Delivery{did(205), did(206)})
	require.Equal(t, []uint64{206}, handled)
}
