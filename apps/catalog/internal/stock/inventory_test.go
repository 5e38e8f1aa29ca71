package stock_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

func twoPlaces(t *testing.T, first, second map[string]int64) (*stock.Inventory, *stock.Ledger, *stock.Ledger) {
	t.Helper()
	s := openShop(t, 2, 1)
	t.Cleanup(s.close)
	fill(t, s.ledgers[0][0], first)
	fill(t, s.ledgers[0][1], second)
	return s.replicas[0], s.ledgers[0][0], s.ledgers[0][1]
}

func TestRule9LocationsServeTogether(t *testing.T) {
	t.Parallel()
	v, a, b := twoPlaces(t, map[string]int64{"hat": 2}, map[string]int64{"hat": 3, "tie": 1})
	ctx := t.Context()
	want := lines(line("hat", 4), line("tie", 1))
	for range 2 {
		h, err := v.Reserve(ctx, "o1", want, due)
		require.NoError(t, err)
		assert.Equal(t, stock.Hold{Status: stock.Held, Lines: map[string]int64{"hat": 4, "tie": 1}, ExpiresAt: due}, h)
		level(t, a, "hat", 2, 2)
		level(t, b, "hat", 3, 2)
		level(t, b, "tie", 1, 1)
		fillMore(t, a, "hat", 5) // a repetition takes nothing of what came in meanwhile
		level(t, a, "hat", 7, 2)
		fillMore(t, a, "hat", -5)
	}
	_, err := v.Ship(ctx, "o1", "f1", lines(line("hat", 1)))
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	undecided, err := v.Undecided(ctx, due)
	require.NoError(t, err)
	assert.Len(t, undecided, 1)
	h, err := v.Commit(ctx, "o1")
	require.NoError(t, err)
	assert.Equal(t, stock.Committed, h.Status)
	_, err = a.Ship(ctx, "o1", "f1", lines(line("hat", 2))) // interrupted after the first location
	require.NoError(t, err)
	for range 2 {
		h, err = v.Ship(ctx, "o1", "f1", lines(line("hat", 3), line("tie", 1)))
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"hat": 1}, h.Lines)
		assert.Equal(t, map[string]int64{"hat": 3, "tie": 1}, h.Shipped)
	}
	_, err = v.Ship(ctx, "o1", "f2", lines(line("hat", 2)))
	refusedAs(t, err, fault.Invalid, "invalid-quantity")
	for range 2 {
		h, err = v.Return(ctx, "o1", "f1", lines(line("hat", 3)))
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"tie": 1}, h.Shipped)
	}
	_, err = v.Release(ctx, "o1")
	require.NoError(t, err)
	level(t, a, "hat", 2, 0)
	level(t, b, "hat", 3, 0)
	level(t, b, "tie", 0, 0)
}

func fillMore(t *testing.T, l *stock.Ledger, sku string, n int64) {
	t.Helper()
	require.NoError(t, l.Receive(t.Context(), fmt.Sprint("more", ids.Add(1)), []stock.Move{{SKU: sku, Delta: n}}))
}

var ids atomic.Int64

func TestRule9RefusalFreesEverything(t *testing.T) {
	t.Parallel()
	v, a, b := twoPlaces(t, map[string]int64{"hat": 2}, map[string]int64{"hat": 3})
	ctx := t.Context()
	for range 2 { // a refusal stands, and its answer may have been lost
		_, err := v.Reserve(ctx, "o1", lines(line("hat", 6)), due)
		f := refusedAs(t, err, fault.Conflict, "out-of-stock")
		assert.Equal(t, []contract.OutOfStockLine{{SKU: "hat", Requested: 6, Available: 5}}, f.Members["lines"])
		level(t, a, "hat", 2, 0)
		fillMore(t, b, "hat", 10)
	}
	level(t, b, "hat", 23, 0)
	_, err := v.Commit(ctx, "o1")
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	_, err = v.Ship(ctx, "o1", "f1", lines(line("hat", 1)))
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	_, err = v.Commit(ctx, "o2")
	refusedAs(t, err, fault.NotFound, "not-found")

	_, err = v.Reserve(ctx, "o3", lines(line("hat", 1)), due)
	require.NoError(t, err)
	_, err = v.Release(ctx, "o3")
	require.NoError(t, err)
	h, err := v.Reserve(ctx, "o3", lines(line("hat", 1)), due)
	require.NoError(t, err)
	assert.Equal(t, stock.Released, h.Status, "what was released was not refused")
}

// Several locations sell all they have between them, and not one more.
func TestRule9BuyersAtOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, 3, 2)
	t.Cleanup(s.close)
	for _, l := range s.ledgers[0] {
		fill(t, l, map[string]int64{"hat": 20})
	}
	var sold atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			h, err := s.replicas[i%2].Reserve(t.Context(), fmt.Sprint("o", i), lines(line("hat", 1)), due)
			if err == nil && h.Status == stock.Held {
				sold.Add(1)
			} else {
				assert.True(t, fault.Is(err, "out-of-stock"), err)
			}
		})
	}
	wg.Wait()
	assert.Equal(t, int64(60), sold.Load())
}

func TestAdjustmentIDsHoldAtAllLocations(t *testing.T) {
	t.Parallel()
	v, a, b := twoPlaces(t, nil, nil)
	request := stock.Adjustment{ID: "k", Fingerprint: "x", Moves: []stock.Move{{SKU: "hat", Delta: 1}}}
	_, err := v.Adjust(t.Context(), a, request)
	require.NoError(t, err)
	_, err = v.Adjust(t.Context(), b, request)
	refusedAs(t, err, fault.Invalid, "idempotency-key-reused")
	free, err := v.Levels(t.Context(), []string{"hat", "tie"})
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"hat": 1, "tie": 0}, free)
}

func TestHistoryMergesLocations(t *testing.T) {
	t.Parallel()
	v, a, b := twoPlaces(t, nil, nil)
	for i := range 7 {
		fillMore(t, []*stock.Ledger{a, b}[i%2], "hat", int64(i+1))
	}
	for _, limit := range []int{1, 2, 3, 7, 8} {
		var got []string
		var before map[string]commitlog.Mark
		for {
			page, next, err := v.History(t.Context(), "hat", before, limit)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(page), limit)
			for _, e := range page {
				got = append(got, fmt.Sprint(e.Location, e.Seq))
				assert.Equal(t, stock.Received, e.Type)
			}
			if before = next; next == nil {
				break
			}
		}
		assert.ElementsMatch(t, []string{"l04", "l03", "l02", "l01", "l13", "l12", "l11"}, got, limit)
	}
	all, next, err := v.History(t.Context(), "sock", nil, 5)
	require.NoError(t, err)
	assert.Empty(t, all)
	assert.Nil(t, next)
}
