package service

import (
	"context"
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

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// exportAndImport imports the service's export into another store. Its parts come in the order in which host.Consume,
// host.OpenLog and Run register them.
func (f *fixture) exportAndImport() *memory.State {
	f.t.Helper()
	exportLog := func(ctx context.Context, put func(sidecar.Item) error) error {
		return f.log.Export(ctx, contract.TopicOrders, put)
	}
	router := chi.NewRouter()
	transfer.MountExport(httpx.NewAPI(router, "orders"), "orders",
		f.service.consumer.Export, exportLog, f.service.exportPayments, f.service.personal.Export)
	rec := httptest.NewRecorder()
	router.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/internal/export", nil))
	require.Equal(f.t, http.StatusOK, rec.Code)
	imported := memory.NewState()
	for r := transfer.NewReader(rec.Body); ; {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return imported
		}
		require.NoError(f.t, err)
		require.NoError(f.t, transfer.Import(f.t.Context(), imported, []sidecar.Item{item}))
	}
}

// An imported order can be shipped and captured. Orders that are not over get new lifecycles, other orders get none.
func TestImportedOrdersContinue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	f.runLifecycles()
	open, cancelled, sent := f.buy(), f.buy(), f.buy()
	require.Equal(t, http.StatusOK, f.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel", nil, staff...).Code)
	ship := func(f *fixture, id string) {
		t.Helper()
		rec := f.do(http.MethodPost, "/api/v1/orders/"+id+"/fulfilments", parcelOf(1), withKey("f", staff)...)
		require.Equal(t, http.StatusCreated, rec.Code, rec.Body.String())
	}
	ship(f, sent.ID)
	rejected := f.placeDeclined()
	f.waitForStatus(cancelled.ID, "cancelled", "voided")
	before := map[string]view{}
	all := []string{open.ID, cancelled.ID, sent.ID, rejected}
	for _, id := range all {
		before[id] = f.order(id)
	}

	imported := newFixture(t, 0)
	f.mu.Lock() // the first service still runs
	imported.stock, imported.clock = f.stock, f.clock
	imported.reservations, imported.committed = maps.Clone(f.reservations), maps.Clone(f.committed)
	imported.movements = maps.Clone(f.movements)
	f.mu.Unlock()
	imported.state = f.exportAndImport()
	imported.start()
	f = imported
	for _, id := range all {
		require.Equal(t, before[id], f.order(id))
	}
	f.runLifecycles()
	next := f.buy()
	f.advance(2 * time.Second)
	f.waitForLifecycle(next.ID, sidecar.Running) // all other orders were processed before
	f.waitForLifecycle(open.ID, sidecar.Running)
	f.waitForLifecycle(sent.ID, sidecar.Running) // it may be returned
	for _, id := range []string{cancelled.ID, rejected} {
		status, err := f.workflows.Status(t.Context(), id)
		assert.NoError(t, err)
		assert.Equal(t, sidecar.Absent, status)
	}
	ship(f, open.ID)
	f.waitForStatus(open.ID, "fulfilled", "captured")
	f.advance(721 * time.Hour)
	f.waitForLifecycle(open.ID, sidecar.Completed)
}
