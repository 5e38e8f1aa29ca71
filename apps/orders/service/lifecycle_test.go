package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

func TestExpiredAuthorisationCancelsTheOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.runLifecycles()
	v := f.buy()
	f.advance(2 * time.Second)
	f.waitForLifecycle(v.ID, sidecar.Running)
	assert.Equal(t, "confirmed", f.order(v.ID).Status)
	f.advance(101 * time.Hour)
	f.waitForStatus(v.ID, "cancelled", "voided")
	assert.Equal(t, int64(5), f.stock)
	f.waitForLifecycle(v.ID, sidecar.Completed)
}

// While catalog is unavailable, a fulfilment is answered with 202. The order's lifecycle completes it afterwards.
func TestLifecycleShipsAParcelWhenCatalogIsAvailableAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.runLifecycles()
	v := f.buy()
	f.advance(2 * time.Second)
	f.waitForLifecycle(v.ID, sidecar.Running)
	f.setUnavailable("catalog", true)
	path := "/api/v1/orders/" + v.ID
	headers := withKey("f", staff)
	rec := f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), headers...)
	f.requireStatus(rec, http.StatusAccepted)
	assert.Contains(t, rec.Body.String(), `"status":"pending"`)
	refused := f.do(http.MethodPost, path+"/cancel", nil, ada...)
	assert.Equal(t, http.StatusConflict, refused.Code, "a parcel is pending")
	f.setUnavailable("catalog", false)
	for range 10 { // the lifecycle's retries wait for the clock
		f.advance(31 * time.Second)
	}
	f.waitForStatus(v.ID, "fulfilled", "captured")
	again := f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), headers...)
	assert.Equal(t, http.StatusCreated, again.Code, again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	f.waitForLifecycle(v.ID, sidecar.Running) // it waits for a return
	f.advance(721 * time.Hour)
	f.waitForLifecycle(v.ID, sidecar.Completed)
}

func TestLifecycleOfAnUndecidedOrderRunsAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.setUnavailable("catalog", true)
	rec := f.place("k", "c", "tok_visa", ada...)
	f.requireStatus(rec, http.StatusServiceUnavailable)
	f.start() // of the first process only the log is left
	f.setUnavailable("catalog", false)
	f.runLifecycles()
	require.Eventually(t, func() bool {
		return f.place("k", "c", "tok_visa", ada...).Code == http.StatusCreated
	}, timeout, 50*tick)
	assert.Equal(t, int64(4), f.stock)
}

// An order whose document is damaged does not stop the lifecycles of the orders after it.
func TestLifecyclesGoOnAfterAnOrderThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	damaged, next := f.buy(), f.buy()
	key := func(v view) string { return "doc/orders/order%2F" + v.ID }
	require.Eventually(t, func() bool { return f.state.All()[key(damaged)] != "" && f.state.All()[key(next)] != "" },
		timeout, tick)
	head := fmt.Sprintf(`{"n":%d,`, f.log.Head())
	require.Eventually(t, func() bool { return strings.HasPrefix(f.state.All()["checkpoint/orders"], head) },
		timeout, tick)
	require.NoError(t, f.state.Put(t.Context(), key(damaged), []byte("{"), ""))
	f.start() // reads documents when it needs them
	f.runLifecycles()
	f.advance(2 * time.Second)
	f.waitForLifecycle(next.ID, sidecar.Running)
}

// refusals are the instances that a workflow engine refuses.
type refusals struct {
	mu  sync.Mutex
	all bool
	ids map[string]bool
	n   int // how many there were
}

func (r *refusals) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func (r *refusals) set(all bool, ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all, r.ids = all, map[string]bool{}
	for _, id := range ids {
		r.ids[id] = true
	}
}

func (r *refusals) of(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all || r.ids[id] {
		r.n++
		return errors.New("the engine refuses this instance")
	}
	return nil
}

// refusing is an engine with refusals.
type refusing struct {
	sidecar.Workflows
	refusals *refusals
}

func (r refusing) Start(ctx context.Context, name, id string, input any) error {
	if err := r.refusals.of(id); err != nil {
		return err
	}
	return r.Workflows.Start(ctx, name, id, input)
}

func (r refusing) Raise(ctx context.Context, id, event string) error {
	if err := r.refusals.of(id); err != nil {
		return err
	}
	return r.Workflows.Raise(ctx, id, event)
}

func (r refusing) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
	if err := r.refusals.of(id); err != nil {
		return "", err
	}
	return r.Workflows.Status(ctx, id)
}

func TestLifecyclesGoOnAfterAnOrderThatTheEngineRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	refused, next := f.buy(), f.buy()
	f.refusals.set(false, refused.ID)
	f.runLifecycles()
	f.advance(2 * time.Second)
	f.waitForLifecycle(next.ID, sidecar.Running)
	assert.Equal(t, []string{refused.ID}, f.service.lifecycle.SetAside())

	f.start() // the cursor is behind the order
	assert.Empty(t, f.service.lifecycle.SetAside())
	f.refusals.set(false)
	f.startLifecycles()
	f.waitForLifecycle(refused.ID, sidecar.Running)
	assert.Eventually(t, func() bool { return len(f.service.lifecycle.SetAside()) == 0 }, timeout, tick)
}

func TestNoOrderIsSetAsideWhileTheEngineRefusesAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.buy()
	last := f.buy()
	f.refusals.set(true)
	f.runLifecycles()
	f.advance(2 * time.Second)
	const attempts = 12 // of which many come after those that set an order aside
	require.Eventually(t, func() bool { return f.refusals.count() >= attempts }, timeout, tick)
	assert.Empty(t, f.service.lifecycle.SetAside())
	f.refusals.set(false)
	f.waitForLifecycle(last.ID, sidecar.Running)
}

func TestRejectedOrderGetsNoLifecycle(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	id := f.placeDeclined()
	f.runLifecycles()
	next := f.buy()
	f.advance(2 * time.Second)
	f.waitForLifecycle(next.ID, sidecar.Running) // the rejected order was processed before
	got, err := f.workflows.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, sidecar.Absent, got)
}

func TestRefundIsPaidAfterTheLifecycleHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.runLifecycles()
	v := f.buy()
	path := "/api/v1/orders/" + v.ID
	rec := f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), staff...)
	f.requireStatus(rec, http.StatusCreated)
	f.advance(2 * time.Second)
	f.waitForLifecycle(v.ID, sidecar.Running)
	f.advance(721 * time.Hour)
	f.waitForLifecycle(v.ID, sidecar.Completed)
	rec = f.do(http.MethodPost, path+"/refunds", map[string]any{"amount": v.Total, "reason": "sorry"},
		withKey("r", staff)...)
	f.requireStatus(rec, http.StatusCreated)
	assert.Equal(t, "refunded", read(t, rec).Payment.Status)
}

func TestLifecycleDecidesAnOrderThatARequestLeftUndecided(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.setUnavailable("catalog", true)
	rec := f.place("k", "c", "tok_visa", ada...)
	assert.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body.String())
	assert.NotEmpty(t, rec.Header().Get("Retry-After"))
	f.setUnavailable("catalog", false)
	f.start()
	f.runLifecycles()
	assert.Eventually(t, func() bool {
		list := f.do(http.MethodGet, "/api/v1/orders", nil, ada...)
		return strings.Contains(list.Body.String(), `"status":"confirmed"`)
	}, timeout, tick)
	again := f.place("k", "c", "tok_visa", ada...)
	assert.Equal(t, http.StatusCreated, again.Code)
	assert.Equal(t, int64(4), f.stock)
}
