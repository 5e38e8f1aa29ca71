package service

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// metric is the value of a metric with the values of its labels, in the order of their names: of a histogram how many
// observations it has. A metric that does not exist fails the test.
func metric(t *testing.T, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if family.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	require.Fail(t, "no such metric", "%s%v", name, labels)
	return 0
}

func TestEachOrderIsCountedByOneReplica(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 2)
	f.syncEvery = 5 * time.Millisecond // replicas see each other's commits
	replicas := []*prometheus.Registry{f.metrics}
	first := f.handler
	f.start()
	replicas = append(replicas, f.metrics)
	count := func(labels ...string) (sum float64) {
		for _, reg := range replicas {
			sum += metric(t, reg, "orders_placed_total", labels...)
		}
		return sum
	}
	f.requireStatus(f.place("a", "c", "tok_visa", ada...), http.StatusCreated)
	f.requireStatus(f.place("b", "c", "tok_declined", ada...), http.StatusPaymentRequired)
	second := f.handler
	f.handler = first
	f.requireStatus(f.place("a", "c", "tok_visa", ada...), http.StatusCreated) // decided by the other replica
	f.requireStatus(f.place("d", "c", "tok_visa", ada...), http.StatusCreated)
	f.requireStatus(f.place("e", "c", "tok_visa", ada...), http.StatusConflict)
	f.handler = second
	f.requireStatus(f.place("e", "c", "tok_visa", ada...), http.StatusConflict)
	f.mu.Lock()
	f.price = 1100
	f.mu.Unlock()
	f.requireStatus(f.place("g", "c", "tok_visa", ada...), http.StatusConflict)

	assert.Equal(t, 2.0, count("confirmed", "none"))
	assert.Equal(t, 1.0, count("rejected", "payment-declined"))
	assert.Equal(t, 1.0, count("rejected", "out-of-stock"))
	assert.Equal(t, 1.0, count("rejected", "price-changed"))
	assert.Zero(t, count("rejected", "other"))
	assert.Equal(t, 1.0, metric(t, replicas[0], "orders_placed_total", "confirmed", "none"))
	assert.Equal(t, 1.0, metric(t, replicas[0], "order_replays_total", "place"))
	assert.Equal(t, 1.0, metric(t, replicas[1], "order_replays_total", "place"))
}

func TestStagesOfAPlacementAreMeasured(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	stages := func() (counts []float64) {
		for _, stage := range []string{"quote", "read", "record", "reserve", "authorise", "decide"} {
			counts = append(counts, metric(t, f.metrics, "order_placement_stage_duration_seconds", stage))
		}
		return counts
	}
	f.buy()
	assert.Equal(t, []float64{1, 1, 1, 1, 1, 1}, stages())
	f.requireStatus(f.place("k", "c", "tok_visa", ada...), http.StatusConflict)
	assert.Equal(t, []float64{2, 2, 2, 2, 1, 2}, stages(), "no payment without goods")
	f.requireStatus(f.place("k", "c", "tok_visa", ada...), http.StatusConflict)
	assert.Equal(t, []float64{2, 2, 2, 2, 1, 2}, stages(), "a repetition places nothing")
	assert.Equal(t, 1.0, metric(t, f.metrics, "payments_total", "authorise", "succeeded", "sandbox"))
	assert.Equal(t, 1.0, metric(t, f.metrics, "payment_duration_seconds", "authorise", "sandbox"))
}

func TestRepeatedChangesAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	path := "/api/v1/orders/" + f.buy().ID
	refund := map[string]any{"amount": map[string]any{"amount": 1, "currency": "EUR"}, "reason": "late"}
	back := map[string]any{"lines": parcelOf(1)["lines"], "reason": "too small"}
	for range 3 {
		f.requireStatus(f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), withKey("f", staff)...), http.StatusCreated)
		f.requireStatus(f.do(http.MethodPost, path+"/returns", back, withKey("r", ada)...), http.StatusCreated)
	}
	for range 2 {
		f.requireStatus(f.do(http.MethodPost, path+"/refunds", refund, withKey("g", staff)...), http.StatusCreated)
	}
	assert.Equal(t, 2.0, metric(t, f.metrics, "order_replays_total", "fulfilment"))
	assert.Equal(t, 2.0, metric(t, f.metrics, "order_replays_total", "return"))
	assert.Equal(t, 1.0, metric(t, f.metrics, "order_replays_total", "refund"))
	assert.Zero(t, metric(t, f.metrics, "order_replays_total", "place"))
}

// runEngine runs the workflow engine with the service that was started last, until stop is called.
func (f *fixture) runEngine() (stop func()) {
	f.service.lifecycle.RegisterWorkflow(f.workflows)
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(f.t, f.workflows.Run(ctx)) })
	stop = func() { cancel(); running.Wait() }
	f.t.Cleanup(stop)
	return stop
}

func (f *fixture) waitForGauge(name string, want float64) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return metric(f.t, f.metrics, name) == want }, timeout, tick, name)
}

func TestUndecidedOrdersAreKnownFromTheLogAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.setUnavailable("catalog", true)
	f.requireStatus(f.place("k", "c", "tok_visa", ada...), http.StatusServiceUnavailable)
	f.start()
	f.startLifecycles()
	f.waitForGauge("orders_undecided", 1)
	f.waitForGauge("lifecycles_in_progress", 1)
	f.requireStatus(f.place("k2", "c", "tok_visa", ada...), http.StatusServiceUnavailable)
	f.waitForGauge("orders_undecided", 2)
	f.advance(time.Hour)
	age := metric(t, f.metrics, "orders_undecided_oldest_seconds")
	assert.InDelta(t, time.Hour.Seconds(), age, time.Minute.Seconds())
	f.setUnavailable("catalog", false)
	f.requireStatus(f.place("k", "c", "tok_visa", ada...), http.StatusCreated)
	assert.Equal(t, 1.0, metric(t, f.metrics, "orders_undecided"))
	f.requireStatus(f.place("k2", "c", "tok_visa", ada...), http.StatusCreated)
	assert.Zero(t, metric(t, f.metrics, "orders_undecided"))
	assert.Zero(t, metric(t, f.metrics, "orders_undecided_oldest_seconds"))
	stage := func(name string) float64 { return metric(t, f.metrics, "order_placement_stage_duration_seconds", name) }
	assert.Equal(t, []float64{1, 0}, []float64{stage("reserve"), stage("decide")}, "later attempts are not measured")
}

// The cursor of the starter may be behind an undecided order. Then its workflow tells of it.
func TestUndecidedOrdersAreKnownFromTheirWorkflowsAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	stop := f.runEngine()
	f.startLifecycles()
	f.setUnavailable("catalog", true)
	f.requireStatus(f.place("k", "c", "tok_visa", ada...), http.StatusServiceUnavailable)
	list := f.do(http.MethodGet, "/api/v1/orders", nil, ada...)
	id := idsIn(t, list.Body.Bytes())[0]
	f.advance(time.Hour)
	f.waitForLifecycle(id, sidecar.Running)
	stop()

	f.start()
	assert.Zero(t, metric(t, f.metrics, "orders_undecided"), "it has not followed the log")
	f.runEngine()
	require.Eventually(t, func() bool {
		f.advance(31 * time.Second) // the workflow tries again
		return metric(t, f.metrics, "orders_undecided") == 1
	}, timeout, tick)
	assert.GreaterOrEqual(t, metric(t, f.metrics, "orders_undecided_oldest_seconds"), time.Hour.Seconds())
	f.startLifecycles()
	f.setUnavailable("catalog", false)
	require.Eventually(t, func() bool {
		f.advance(31 * time.Second)
		return f.order(id).Status != "placing"
	}, timeout, tick)
	f.waitForGauge("orders_undecided", 0)
	f.waitForGauge("lifecycles_in_progress", 0)
}

// A parcel that cannot be shipped is a step that its order owes.
func TestLifecyclesInProgress(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.runLifecycles()
	v := f.buy()
	f.waitForGauge("lifecycles_in_progress", 0)
	f.setUnavailable("catalog", true)
	path := "/api/v1/orders/" + v.ID + "/fulfilments"
	f.requireStatus(f.do(http.MethodPost, path, parcelOf(1), withKey("f", staff)...), http.StatusAccepted)
	f.waitForGauge("lifecycles_in_progress", 1)
	assert.Zero(t, metric(t, f.metrics, "orders_undecided"))
	f.setUnavailable("catalog", false)
	require.Eventually(t, func() bool {
		f.advance(31 * time.Second)
		return f.order(v.ID).Status == "fulfilled"
	}, timeout, tick)
	f.waitForGauge("lifecycles_in_progress", 0)
}

func idsIn(t *testing.T, list []byte) (ids []string) {
	t.Helper()
	var page struct{ Items []view }
	require.NoError(t, json.Unmarshal(list, &page))
	for _, v := range page.Items {
		ids = append(ids, v.ID)
	}
	require.NotEmpty(t, ids)
	return ids
}
