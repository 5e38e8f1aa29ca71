package ledger_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// An order may have 100 shipments and 50 returns, with 600 lines of each, and 100 SKUs (package orderlog). The hold of
// the largest order stays far smaller than a store allows.
func TestTheLargestHoldFitsIntoADocument(t *testing.T) {
	t.Parallel()
	l := open(t, memory.NewState(), "main")
	const skus, units = 100, 999
	sku := func(i int) string { return fmt.Sprintf("%0100d", i%skus) }
	var moves []ledger.Move
	var all []contract.Line
	for i := range skus {
		moves, all = append(moves, ledger.Move{SKU: sku(i), Delta: units, Reason: "r"}), append(all, line(sku(i), units))
	}
	require.NoError(t, l.Receive(t.Context(), "first", moves))
	_, err := l.Reserve(t.Context(), "o", all, due)
	require.NoError(t, err)
	_, err = l.Commit(t.Context(), "o")
	require.NoError(t, err)
	part := func(from, n int) (lines []contract.Line) {
		for i := range n {
			lines = append(lines, line(sku(from+i), 1))
		}
		return lines
	}
	for i := range 100 {
		_, err := l.Ship(t.Context(), "o", fmt.Sprintf("%064d", i), part(6*i, 6))
		require.NoError(t, err)
	}
	for i := range 50 {
		_, err := l.Return(t.Context(), "o", fmt.Sprintf("%064d", i), part(12*i, 12))
		require.NoError(t, err)
	}
	hold, _, err := l.Hold(t.Context(), "o")
	require.NoError(t, err)
	document, err := json.Marshal(hold)
	require.NoError(t, err)
	assert.Less(t, len(document), sidecar.MaxValue/4)
	assert.Greater(t, len(document), sidecar.MaxValue/8, "the test does not make the largest hold")
}
