package allocation_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

func TestRule9LocationsServeTogether(t *testing.T) {
	t.Parallel()
	v, a, b := twoLocations(t, map[string]int64{"hat": 2}, map[string]int64{"hat": 3, "tie": 1})
	ctx := t.Context()
	want := lines(line("hat", 4), line("tie", 1))
	for range 2 {
		h, err := v.Reserve(ctx, "o1", want, due)
		require.NoError(t, err)
		assert.Equal(t, stock.Hold{Status: stock.Held, Lines: map[string]int64{"hat": 4, "tie": 1}, ExpiresAt: due}, h)
		level(t, a, "hat", 2, 2)
		level(t, b, "hat", 3, 2)
		level(t, b, "tie", 1, 1)
		receive(t, a, "hat", 5) // a repetition holds nothing of what came in meanwhile
		level(t, a, "hat", 7, 2)
		receive(t, a, "hat", -5)
	}
	_, err := v.Ship(ctx, "o1", "f1", lines(line("hat", 1)))
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	undecided, err := v.ExpiredHolds(ctx, due)
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

func TestRule9ARefusalFreesEverything(t *testing.T) {
	t.Parallel()
	v, a, b := twoLocations(t, map[string]int64{"hat": 2}, map[string]int64{"hat": 3})
	ctx := t.Context()
	for range 2 { // a refusal is final, and its answer may have been lost
		_, err := v.Reserve(ctx, "o1", lines(line("hat", 6)), due)
		f := refusedAs(t, err, fault.Conflict, "out-of-stock")
		assert.Equal(t, []contract.OutOfStockLine{{SKU: "hat", Requested: 6, Available: 5}}, f.Members["lines"])
		level(t, a, "hat", 2, 0)
		receive(t, b, "hat", 10)
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

// Locations together sell all that they have, and not one more.
func TestRule9HoldsWithBuyersAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3, 2)
	t.Cleanup(f.close)
	for _, l := range f.ledgers[0] {
		receive(t, l, "hat", 20)
	}
	var sold atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			h, err := f.replicas[i%2].Reserve(t.Context(), fmt.Sprint("o", i), lines(line("hat", 1)), due)
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

func TestAnAdjustmentIDBelongsToOneLocation(t *testing.T) {
	t.Parallel()
	v, a, b := twoLocations(t, nil, nil)
	request := ledger.Adjustment{ID: "k", Fingerprint: "x", Moves: []ledger.Move{{SKU: "hat", Delta: 1}}}
	_, err := v.Adjust(t.Context(), a, request)
	require.NoError(t, err)
	_, err = v.Adjust(t.Context(), b, request)
	refusedAs(t, err, fault.Invalid, "idempotency-key-reused")
	available, err := v.Available(t.Context(), []string{"hat", "tie"})
	require.NoError(t, err)
	assert.Equal(t, map[string]int64{"hat": 1, "tie": 0}, available)
}

func TestTheHistoryMergesAllLocations(t *testing.T) {
	t.Parallel()
	v, a, b := twoLocations(t, nil, nil)
	for i := range 7 {
		receive(t, []*ledger.Ledger{a, b}[i%2], "hat", int64(i+1))
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
