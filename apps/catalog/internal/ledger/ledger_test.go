package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var due = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// open opens a ledger on a store, as one more process does.
func open(t testing.TB, store sidecar.State, location string) *ledger.Ledger {
	t.Helper()
	l, log, err := openLog(store, location)
	require.NoError(t, err)
	t.Cleanup(func() { log.Close(context.Background()) })
	return l
}

func openLog(store sidecar.State, location string) (*ledger.Ledger, *commitlog.Partition[stock.State], error) {
	ctx, options := context.Background(), commitlog.Options{}
	log, err := commitlog.Open(ctx, store, "catalog", "stock-"+location, stock.Model(), options)
	return ledger.New(log, location), log, err
}

// filled is a ledger on a store of its own, with so many of each SKU.
func filled(t testing.TB, levels map[string]int64) *ledger.Ledger {
	t.Helper()
	l := open(t, memory.NewState(), "main")
	fill(t, l, levels)
	return l
}

func fill(t testing.TB, l *ledger.Ledger, levels map[string]int64) {
	t.Helper()
	var moves []ledger.Move
	for sku, n := range levels {
		moves = append(moves, ledger.Move{SKU: sku, Delta: n, Reason: "delivery"})
	}
	require.NoError(t, l.Receive(t.Context(), "first", moves))
}

func line(sku string, n int64) contract.Line { return contract.Line{SKU: sku, Quantity: n} }

func lines(ls ...contract.Line) []contract.Line { return ls }

func level(t testing.TB, l *ledger.Ledger, sku string, onHand, reserved int64) {
	t.Helper()
	got, _, err := l.Level(t.Context(), sku)
	require.NoError(t, err)
	assert.Equal(t, stock.Level{OnHand: onHand, Reserved: reserved}, got, sku)
}

func refusedAs(t testing.TB, err error, kind fault.Kind, typ string) *fault.Error {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, typ, f.Type)
	require.Equal(t, kind, f.Kind)
	return f
}

func TestRule1NothingIsSoldThatIsNotThere(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 3})
	_, err := l.Reserve(t.Context(), "o1", lines(line("hat", 2)), due)
	require.NoError(t, err)
	_, err = l.Reserve(t.Context(), "o2", lines(line("hat", 2)), due)
	f := refusedAs(t, err, fault.Conflict, "out-of-stock")
	assert.Equal(t, []contract.OutOfStockLine{{SKU: "hat", Requested: 2, Available: 1}}, f.Members["lines"])
	_, err = l.Reserve(t.Context(), "o3", lines(line("unheard-of", 1)), due)
	refusedAs(t, err, fault.Conflict, "out-of-stock")
	level(t, l, "hat", 3, 2)
	_, err = l.Reserve(t.Context(), "o2", lines(line("hat", 1)), due)
	require.NoError(t, err, "a refusal leaves nothing behind")
	level(t, l, "hat", 3, 3)
}

func TestRule2AllLinesOrNone(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 3, "tie": 3})
	_, err := l.Reserve(t.Context(), "o1", lines(line("hat", 2), line("tie", 1), line("hat", 2)), due)
	f := refusedAs(t, err, fault.Conflict, "out-of-stock")
	assert.Equal(t, []contract.OutOfStockLine{{SKU: "hat", Requested: 4, Available: 3}}, f.Members["lines"])
	level(t, l, "tie", 3, 0)
	h, err := l.Reserve(t.Context(), "o2", lines(line("hat", 1), line("tie", 1), line("hat", 2)), due)
	require.NoError(t, err)
	assert.Equal(t, stock.Hold{Status: stock.Held, Lines: map[string]int64{"hat": 3, "tie": 1}, ExpiresAt: due}, h)
	for _, n := range []int64{0, -1, math.MinInt64, math.MaxInt64} {
		_, err = l.Reserve(t.Context(), "o3", lines(line("tie", 1), line("hat", n)), due)
		f := refusedAs(t, err, fault.Invalid, "invalid-quantity")
		assert.Equal(t, "lines[1].quantity", f.Fields[0].Location)
	}
}

func TestRule3AnOrderHasOneReservation(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 10})
	first, err := l.Reserve(t.Context(), "o1", lines(line("hat", 2)), due)
	require.NoError(t, err)
	again, err := l.Reserve(t.Context(), "o1", lines(line("hat", 5)), due.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, first, again)
	level(t, l, "hat", 10, 2)
	_, err = l.Commit(t.Context(), "o1")
	require.NoError(t, err)
	again, err = l.Reserve(t.Context(), "o1", lines(line("hat", 2)), due)
	require.NoError(t, err)
	assert.Equal(t, stock.Committed, again.Status)
}

func TestRule4AReleaseIsFinal(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 2, "tie": 1})
	_, err := l.Reserve(t.Context(), "o1", lines(line("hat", 2), line("tie", 1)), due)
	require.NoError(t, err)
	for range 2 {
		h, err := l.Release(t.Context(), "o1")
		require.NoError(t, err)
		assert.Equal(t, stock.Released, h.Status)
		level(t, l, "hat", 2, 0)
		level(t, l, "tie", 1, 0)
	}
	_, err = l.Release(t.Context(), "o2") // never reserved
	require.NoError(t, err)
	for _, order := range []string{"o1", "o2"} {
		h, err := l.Reserve(t.Context(), order, lines(line("hat", 1)), due)
		require.NoError(t, err)
		assert.Equal(t, stock.Released, h.Status)
		assert.Empty(t, h.Lines)
		_, err = l.Commit(t.Context(), order)
		refusedAs(t, err, fault.Conflict, "invalid-transition")
	}
	level(t, l, "hat", 2, 0)
}

func TestRule5ACommittedHoldIsKept(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 2})
	_, err := l.Commit(t.Context(), "o1")
	refusedAs(t, err, fault.NotFound, "not-found")
	for _, order := range []string{"o1", "o2"} {
		_, err = l.Reserve(t.Context(), order, lines(line("hat", 1)), due)
		require.NoError(t, err)
	}
	before, err := l.ExpiredHolds(t.Context(), due.Add(-time.Nanosecond))
	require.NoError(t, err)
	assert.Empty(t, before)
	for range 2 {
		h, err := l.Commit(t.Context(), "o1")
		require.NoError(t, err)
		assert.Equal(t, stock.Committed, h.Status)
	}
	expired, err := l.ExpiredHolds(t.Context(), due.Add(1000*time.Hour))
	require.NoError(t, err)
	assert.Equal(t, map[string]time.Time{"o2": due}, expired, "only undecided holds expire, and stay")
	level(t, l, "hat", 2, 2)
	for _, order := range []string{"o1", "o2"} { // a cancellation frees a committed hold too
		_, err = l.Release(t.Context(), order)
		require.NoError(t, err)
	}
	expired, err = l.ExpiredHolds(t.Context(), due.Add(1000*time.Hour))
	require.NoError(t, err)
	assert.Empty(t, expired)
	level(t, l, "hat", 2, 0)
}

func TestRule6OnlyWhatIsReservedIsShipped(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 5, "tie": 5})
	_, err := l.Ship(t.Context(), "o1", "f1", lines(line("hat", 1)))
	refusedAs(t, err, fault.NotFound, "not-found")
	_, err = l.Reserve(t.Context(), "o1", lines(line("hat", 3), line("tie", 1)), due)
	require.NoError(t, err)
	_, err = l.Ship(t.Context(), "o1", "f1", lines(line("hat", 1)))
	refusedAs(t, err, fault.Conflict, "invalid-transition")
	_, err = l.Commit(t.Context(), "o1")
	require.NoError(t, err)
	for range 2 {
		h, err := l.Ship(t.Context(), "o1", "f1", lines(line("hat", 1), line("hat", 1)))
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"hat": 1, "tie": 1}, h.Lines)
	}
	level(t, l, "hat", 3, 1)
	for _, too := range [][]contract.Line{lines(line("tie", 1), line("hat", 2)), lines(line("sock", 1))} {
		_, err = l.Ship(t.Context(), "o1", "f2", too)
		refusedAs(t, err, fault.Invalid, "invalid-quantity")
	}
	level(t, l, "tie", 5, 1)
	_, err = l.Release(t.Context(), "o1")
	require.NoError(t, err)
	level(t, l, "hat", 3, 0)
	_, err = l.Ship(t.Context(), "o1", "f3", lines(line("hat", 1)))
	refusedAs(t, err, fault.Conflict, "invalid-transition")
}

func TestRule7AdjustmentsApplyOnceAndNotToWhatIsReserved(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 5})
	_, err := l.Reserve(t.Context(), "o1", lines(line("hat", 3)), due)
	require.NoError(t, err)
	err = l.Receive(t.Context(), "a1", []ledger.Move{{SKU: "tie", Delta: 1}, {SKU: "hat", Delta: -3}})
	f := refusedAs(t, err, fault.Conflict, "insufficient-stock")
	assert.Equal(t, int64(2), f.Members["available"])
	level(t, l, "tie", 0, 0)
	moves := []ledger.Move{{SKU: "hat", Delta: -2, Reason: "moths"}}
	a := ledger.Adjustment{ID: "a1", Fingerprint: "x", Moves: moves, Note: []byte(`{"k":1}`)}
	first, err := l.Adjust(t.Context(), a)
	require.NoError(t, err, "what was refused may be tried again")
	levels := map[string]stock.Level{"hat": {OnHand: 3, Reserved: 3}}
	assert.Equal(t, stock.Receipt{Fingerprint: "x", Levels: levels, Note: []byte(`{"k":1}`)}, first)
	require.NoError(t, l.Receive(t.Context(), "a2", []ledger.Move{{SKU: "hat", Delta: 10}}))
	again, err := l.Adjust(t.Context(), a)
	require.NoError(t, err)
	assert.True(t, again.Replayed)
	again.Replayed = false
	assert.Equal(t, first, again, "the first answer")
	a.Fingerprint = "y"
	_, err = l.Adjust(t.Context(), a)
	refusedAs(t, err, fault.Invalid, "idempotency-key-reused")
	level(t, l, "hat", 13, 3)
	for _, n := range []int64{math.MaxInt64, math.MinInt64, 1_000_000_001, 999_999_999} {
		refusedAs(t, l.Receive(t.Context(), "a3", []ledger.Move{{SKU: "hat", Delta: n}}), fault.Invalid, "invalid-quantity")
	}
	level(t, l, "hat", 13, 3)
}

func TestRule8OnlyWhatWasShippedIsReturned(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 5})
	_, err := l.Reserve(t.Context(), "o1", lines(line("hat", 3)), due)
	require.NoError(t, err)
	_, err = l.Commit(t.Context(), "o1")
	require.NoError(t, err)
	_, err = l.Return(t.Context(), "o1", "1", lines(line("hat", 1)))
	refusedAs(t, err, fault.Invalid, "invalid-quantity")
	_, err = l.Ship(t.Context(), "o1", "1", lines(line("hat", 2)))
	require.NoError(t, err)
	for range 2 { // a return may have the id of a shipment
		h, err := l.Return(t.Context(), "o1", "1", lines(line("hat", 1)))
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"hat": 1}, h.Shipped)
		level(t, l, "hat", 4, 1)
	}
	_, err = l.Return(t.Context(), "o1", "2", lines(line("hat", 2)))
	refusedAs(t, err, fault.Invalid, "invalid-quantity")
	_, err = l.Release(t.Context(), "o1")
	require.NoError(t, err)
	_, err = l.Return(t.Context(), "o1", "2", lines(line("hat", 1)))
	require.NoError(t, err, "what was shipped before a cancellation may still come back")
	level(t, l, "hat", 5, 0)
}

func TestEverySKUMakesAValidStoreKey(t *testing.T) {
	t.Parallel()
	store := &strictStore{State: memory.NewState()}
	l, log, err := openLog(store, "main")
	require.NoError(t, err)
	fill(t, l, map[string]int64{"Größe M||blau/42 %": 7})
	require.NoError(t, log.Close(t.Context()))
	assert.False(t, store.violated.Load(), "keys are printable ASCII without ||")
	level(t, open(t, store, "main"), "Größe M||blau/42 %", 7, 0)
}

// strictStore notices keys that the port does not allow.
type strictStore struct {
	*memory.State
	violated atomic.Bool
}

func (s *strictStore) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	for _, item := range items {
		for i, c := range item.Key {
			if c < ' ' || c > '~' || (c == '|' && i > 0 && item.Key[i-1] == '|') {
				s.violated.Store(true)
			}
		}
	}
	return s.State.PutManyIf(ctx, items)
}

// A caller that gives up must not share memory with a decision that is still made (run with -race).
func TestCallersMayGiveUp(t *testing.T) {
	t.Parallel()
	l := filled(t, map[string]int64{"hat": 1_000_000})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
			defer cancel()
			order := fmt.Sprint("o", i)
			h, err := l.Reserve(ctx, order, lines(line("hat", 1)), due)
			if err != nil {
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Zero(t, h)
			}
			l.Commit(ctx, order)
			l.Release(ctx, order)
			l.Level(ctx, order)
			l.Hold(ctx, order)
		})
	}
	wg.Wait()
}

func TestAThousandBuyersGetTheHundredThatThereAre(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	replicas := []*ledger.Ledger{open(t, store, "main"), open(t, store, "main"), open(t, store, "main")}
	fill(t, replicas[0], map[string]int64{"hat": 100})
	var sold, short atomic.Int64
	release, wg := make(chan struct{}), sync.WaitGroup{}
	for i := range 1000 {
		wg.Go(func() {
			<-release
			_, err := replicas[i%len(replicas)].Reserve(t.Context(), fmt.Sprint("o", i), lines(line("hat", 1)), due)
			switch {
			case err == nil:
				sold.Add(1)
			case fault.Is(err, "out-of-stock"):
				short.Add(1)
			default:
				assert.NoError(t, err)
			}
		})
	}
	close(release)
	wg.Wait()
	assert.Equal(t, int64(100), sold.Load())
	assert.Equal(t, int64(900), short.Load())
	level(t, open(t, store, "main"), "hat", 100, 100)
}

func TestALedgerOnAClosedLogRefuses(t *testing.T) {
	t.Parallel()
	l, log, err := openLog(memory.NewState(), "main")
	require.NoError(t, err)
	require.NoError(t, log.Close(t.Context()))
	_, err = l.Reserve(t.Context(), "o", lines(line("hat", 1)), due)
	assert.True(t, errors.Is(err, commitlog.ErrClosed))
}
