package stock_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "stock-main", stock.Model(), func(state sidecar.State) {
		l := open(t, state, "main")
		fill(t, l, map[string]int64{"HAT": 10})
		_, err := l.Adjust(t.Context(), stock.Adjustment{ID: "count", Fingerprint: "f", Note: json.RawMessage(`{"by":"ada"}`),
			Moves: []stock.Move{{SKU: "HAT", Delta: -1, Reason: "broken"}}})
		require.NoError(t, err)
		did := func(_ stock.Hold, err error) {
			t.Helper()
			require.NoError(t, err)
		}
		until := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
		did(l.Reserve(t.Context(), "bought", lines(line("HAT", 3)), until))
		did(l.Commit(t.Context(), "bought"))
		did(l.Ship(t.Context(), "bought", "f1", lines(line("HAT", 2))))
		did(l.Return(t.Context(), "bought", "r1", lines(line("HAT", 1))))
		did(l.Release(t.Context(), "bought"))
		did(l.Reserve(t.Context(), "left", lines(line("HAT", 1)), until))
		did(l.Release(t.Context(), "left"))
		did(l.Release(t.Context(), "never"))
	})
}
