package service_test

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/httpx"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// move is the service's export, imported into another store.
func (w *world) move() *memory.State {
	w.t.Helper()
	log, err := commitlog.Open(w.t.Context(), w.state, "orders", "orders", order.Model(), commitlog.Options{})
	require.NoError(w.t, err)
	router := chi.NewRouter()
	w.service.MountExport(httpx.NewAPI(router, "orders"), log)
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/internal/export", nil))
	require.Equal(w.t, http.StatusOK, rec.Code)
	there := memory.NewState()
	for r := moving.NewReader(rec.Body); ; {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return there
		}
		require.NoError(w.t, err)
		require.NoError(w.t, moving.Accept(w.t.Context(), there, []sidecar.Item{item}))
	}
}

// An order that has moved is shipped and its money captured; the lifecycles of those that are not over begin anew,
// and of no other.
func TestMovedOrdersGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	w.live()
	open, cancelled, sent := w.buy(), w.buy(), w.buy()
	require.Equal(t, http.StatusOK, w.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel", nil, boss...).Code)
	ship := func(id string) {
		t.Helper()
		rec := w.do(http.MethodPost, "/api/v1/orders/"+id+"/fulfilments", parcel(1), append([]string{"Idempotency-Key", "f"}, boss...)...)
		require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	}
	ship(sent.ID)
	rejected := rejectedOrder(t, w)
	w.comesTo(cancelled.ID, "cancelled", "voided")
	before := map[string]view{}
	all := []string{open.ID, cancelled.ID, sent.ID, rejected}
	for _, id := range all {
		before[id] = w.order(id)
	}

	there := newWorld(t, 0)
	w.mu.Lock() // its lifecycles go on
	there.stock, there.clock = w.stock, w.clock
	there.holds, there.kept, there.moves = maps.Clone(w.holds), maps.Clone(w.kept), maps.Clone(w.moves)
	w.mu.Unlock()
	there.state = w.move()
	there.start()
	w = there
	for _, id := range all {
		require.Equal(t, before[id], w.order(id))
	}
	w.live()
	next := w.buy()
	w.advance(2 * time.Second)
	w.flow(next.ID, sidecar.Running) // the follower has passed all others
	w.flow(open.ID, sidecar.Running)
	w.flow(sent.ID, sidecar.Running) // it may be sent back
	for _, id := range []string{cancelled.ID, rejected} {
		status, err := w.flows.Status(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, sidecar.Absent, status)
	}
	ship(open.ID)
	w.comesTo(open.ID, "fulfilled", "captured")
	w.advance(721 * time.Hour)
	w.flow(open.ID, sidecar.Completed)
}
