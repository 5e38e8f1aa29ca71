package layout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar/memory"
)

func TestKeysAndCursorsAreThoseOfEarlierReleases(t *testing.T) {
	t.Parallel()
	require.Equal(t, "log/stock-main/42", layout.CommitKey("stock-main", 42))
	first, second := layout.Versioned("stock-main", 1), layout.Versioned("stock-main", 2)
	require.Equal(t, "doc/stock-main/sku%2Fa%7C%7C%C3%BC", layout.DocumentKey(first, "sku/a||ü"))
	require.Equal(t, "doc/stock-main.v2/a", layout.DocumentKey(second, "a"))
	require.Equal(t, "checkpoint/stock-main", layout.CheckpointKey(layout.Versioned("stock-main", 0)))
	require.Equal(t, "partial-checkpoint/orders", layout.PartialCheckpointKey(layout.Versioned("orders", 1)))
	require.Equal(t, "view/orders/lists/all/7", layout.ProjectionKey("orders", "lists", "all/7"))
	require.Equal(t, "cursor/orders/publisher-orders", layout.CursorKey("orders", "publisher-orders"))

	store := memory.NewState()
	require.NoError(t, layout.StoreCursor(t.Context(), store, "orders", "eraser", 7))
	require.Equal(t, map[string]string{"cursor/orders/eraser": `{"n":7}`}, store.All())
	commit, err := layout.ReadCursor(t.Context(), store, "orders", "eraser")
	require.NoError(t, err)
	require.Equal(t, uint64(7), commit)
}
