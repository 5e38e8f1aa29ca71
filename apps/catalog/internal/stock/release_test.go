package stock_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "stock-main", stock.Model(), func(state sidecar.State) {
		log, err := commitlog.Open(t.Context(), state, "catalog", "stock-main", stock.Model(), commitlog.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { log.Close(context.Background()) })
		useEveryCommand(t, ledger.New(log, "main"))
	})
}

// useEveryCommand gives the log events of every type.
func useEveryCommand(t *testing.T, l *ledger.Ledger) {
	ctx := t.Context()
	hats := func(n int64) []contract.Line { return []contract.Line{{SKU: "HAT", Quantity: n}} }
	succeeds := func(_ stock.Hold, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	require.NoError(t, l.Receive(ctx, "first", []ledger.Move{{SKU: "HAT", Delta: 10, Reason: "delivery"}}))
	_, err := l.Adjust(ctx, ledger.Adjustment{ID: "count", Fingerprint: "f", Note: json.RawMessage(`{"by":"ada"}`),
		Moves: []ledger.Move{{SKU: "HAT", Delta: -1, Reason: "broken"}}})
	require.NoError(t, err)
	until := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	succeeds(l.Reserve(ctx, "bought", hats(3), until))
	succeeds(l.Commit(ctx, "bought"))
	succeeds(l.Ship(ctx, "bought", "f1", hats(2)))
	succeeds(l.Return(ctx, "bought", "r1", hats(1)))
	succeeds(l.Release(ctx, "bought"))
	succeeds(l.Reserve(ctx, "left", hats(1), until))
	succeeds(l.Release(ctx, "left"))
	succeeds(l.Release(ctx, "never"))
}
