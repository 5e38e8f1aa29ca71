package service_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

const (
	soon = 10 * time.Second
	tick = 5 * time.Millisecond
)

var boss = []string{"Test-User", "boss", "Test-Roles", "staff"}

func (w *world) buy() view {
	rec := w.place(fmt.Sprint("buy", w.quoted.Load()), "c", "tok_visa", "Test-User", "ada")
	require.Equal(w.t, http.StatusCreated, rec.Code, rec.Body.String())
	return read(w.t, rec)
}

func (w *world) order(id string) view {
	rec := w.do(http.MethodGet, "/api/v1/orders/"+id, nil, boss...)
	require.Equal(w.t, http.StatusOK, rec.Code, rec.Body.String())
	return read(w.t, rec)
}

func (w *world) comesTo(id, status, payment string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { o := w.order(id); return o.Status == status && o.Payment.Status == payment }, soon, tick)
}

func (w *world) flow(id string, want sidecar.WorkflowStatus) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		got, err := w.flows.Status(w.t.Context(), id)
		return err == nil && got == want
	}, soon, tick, "the lifecycle is to be %s", want)
}

func parcel(n int) map[string]any {
	return map[string]any{"lines": []contract.Line{{SKU: "HAT", Quantity: int64(n)}}, "carrier": "DHL", "trackingNumber": "J1"}
}

func TestAnExpiredAuthorisationCancelsWhatWasNotShipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.live()
	v := w.buy()
	w.advance(2 * time.Second)
	w.flow(v.ID, sidecar.Running)
	assert.Equal(t, "confirmed", w.order(v.ID).Status)
	w.advance(101 * time.Hour)
	w.comesTo(v.ID, "cancelled", "voided")
	assert.Equal(t, int64(5), w.stock)
	w.flow(v.ID, sidecar.Completed)
}

// A catalog that is down when a parcel is sent: the request answers 202, and the order's lifecycle finishes it.
func TestALifecycleKeepsPromises(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.live()
	v := w.buy()
	w.advance(2 * time.Second)
	w.flow(v.ID, sidecar.Running)
	w.fails("catalog", true)
	path := "/api/v1/orders/" + v.ID
	headers := append([]string{"Idempotency-Key", "f"}, boss...)
	rec := w.do(http.MethodPost, path+"/fulfilments", parcel(1), headers...)
	require.Equal(t, http.StatusAccepted, rec.Code, rec.Body.String())
	assert.Contains(t, rec.Body.String(), `"status":"pending"`)
	refused := w.do(http.MethodPost, path+"/cancel", nil, "Test-User", "ada")
	assert.Equal(t, http.StatusConflict, refused.Code, "it is on its way")
	w.fails("catalog", false)
	for range 10 { // the lifecycle's retries wait for the clock
		w.advance(31 * time.Second)
	}
	w.comesTo(v.ID, "fulfilled", "captured")
	again := w.do(http.MethodPost, path+"/fulfilments", parcel(1), headers...)
	assert.Equal(t, http.StatusCreated, again.Code, again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	w.flow(v.ID, sidecar.Running) // it waits for returns
	w.advance(721 * time.Hour)
	w.flow(v.ID, sidecar.Completed)
}

func TestALifecycleOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.fails("catalog", true)
	rec := w.place("k", "c", "tok_visa", "Test-User", "ada")
	require.Equal(t, http.StatusServiceUnavailable, rec.Code, rec.Body.String())
	w.start() // nothing of that process is left but the log
	w.fails("catalog", false)
	w.live()
	require.Eventually(t, func() bool {
		return w.place("k", "c", "tok_visa", "Test-User", "ada").Code == http.StatusCreated
	}, soon, 50*tick)
	assert.Equal(t, int64(4), w.stock)
}

func TestRejectedOrdersNeedNoLifecycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	id := rejectedOrder(t, w)
	w.live()
	next := w.buy()
	w.advance(2 * time.Second)
	w.flow(next.ID, sidecar.Running) // the follower has passed the rejected one
	got, err := w.flows.Status(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, sidecar.Absent, got)
}

func TestARefundLongAfterTheEndIsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.live()
	v := w.buy()
	path := "/api/v1/orders/" + v.ID
	rec := w.do(http.MethodPost, path+"/fulfilments", parcel(1), boss...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	w.advance(2 * time.Second)
	w.flow(v.ID, sidecar.Running)
	w.advance(721 * time.Hour)
	w.flow(v.ID, sidecar.Completed)
	rec = w.do(http.MethodPost, path+"/refunds", map[string]any{"amount": v.Total, "reason": "sorry"}, append([]string{"Idempotency-Key", "r"}, boss...)...)
	require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	assert.Equal(t, "refunded", read(t, rec).Payment.Status)
}

func TestRefusalsAreRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	first := w.place("k", "empty", "tok_visa")
	require.Equal(t, http.StatusUnprocessableEntity, first.Code)
	assert.Empty(t, first.Header().Get("Idempotent-Replayed"))
	w.start() // another replica
	again := w.place("k", "empty", "tok_visa")
	assert.Equal(t, first.Code, again.Code)
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	other := w.place("k", "empty", "tok_slow")
	assert.Equal(t, http.StatusUnprocessableEntity, other.Code)
	assert.True(t, strings.Contains(other.Body.String(), "idempotency-key-reused"), other.Body.String())
	assert.Empty(t, other.Header().Get("Idempotent-Replayed"))
}

// After a long outage the provider may have forgotten the order's key: another attempt could charge twice.
func TestNobodyIsChargedUnderAForgottenKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	rec := w.place("k", "c", "tok_timeout", "Test-User", "ada") // recorded by the provider, answered to nobody
	require.Equal(t, http.StatusAccepted, rec.Code)
	w.advance(24 * time.Hour)
	again := w.place("k", "c", "tok_timeout", "Test-User", "ada")
	assert.Equal(t, http.StatusPaymentRequired, again.Code, again.Body.String())
	a, _, err := w.sandbox.Find(t.Context(), read(t, rec).ID)
	require.NoError(t, err)
	assert.Zero(t, a.Reserved().Amount)
	assert.Equal(t, int64(5), w.stock)
}
