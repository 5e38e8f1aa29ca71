package allocation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

var (
	skus   = []string{"hat", "tie", "sock"}
	orders = []string{"o0", "o1", "o2", "o3", "o4", "o5"}
)

// commands has the frequent commands several times.
var commands = []string{
	"adjust", "reserve", "reserve", "commit", "commit", "commit", "release", "ship", "ship", "return",
}

// step is one command of a random history. An order always asks for the same lines.
type step struct {
	do    string
	order string
	id    string
	lines []contract.Line
	delta int64
}

func drawStep(t *rapid.T) step {
	s := step{
		do:    rapid.SampledFrom(commands).Draw(t, "do"),
		order: rapid.SampledFrom(orders).Draw(t, "order"),
		id:    rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6", "7", "8"}).Draw(t, "id"),
		delta: rapid.Int64Range(-5, 9).Draw(t, "delta"),
	}
	if s.do == "ship" || s.do == "return" { // mostly lines that the order may have
		s.lines = wanted(s.order)[:rapid.IntRange(1, 2).Draw(t, "whole lines")]
	}
	for range rapid.IntRange(1-min(1, len(s.lines)), 2).Draw(t, "lines") {
		s.lines = append(s.lines, line(rapid.SampledFrom(skus).Draw(t, "sku"), rapid.Int64Range(1, 3).Draw(t, "quantity")))
	}
	return s
}

// wanted are the lines of an order, which follow from its name.
func wanted(order string) []contract.Line {
	n := int64(order[1] - '0')
	return lines(line(skus[n%3], 1+n%2), line(skus[(n+1)%3], 1+n/2))
}

func (s step) run(ctx context.Context, v *allocation.Locations, at *ledger.Ledger) error {
	var err error
	switch s.do {
	case "adjust":
		moves := []ledger.Move{{SKU: s.lines[0].SKU, Delta: s.delta}, {SKU: skus[0], Delta: 1}}
		_, err = v.Adjust(ctx, at, ledger.Adjustment{ID: s.id, Moves: moves})
	case "reserve":
		_, err = v.Reserve(ctx, s.order, wanted(s.order), due)
	case "commit":
		_, err = v.Commit(ctx, s.order)
	case "release":
		_, err = v.Release(ctx, s.order)
	case "ship":
		_, err = v.Ship(ctx, s.order, s.id, s.lines)
	case "return":
		_, err = v.Return(ctx, s.order, s.id, s.lines)
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind != fault.Internal && f.Kind != fault.Unavailable {
		return nil // refused by a rule
	}
	return err
}

// Several processes run random commands at once, and callers give up in the middle. The invariants hold at every commit
// of the log, and every reader agrees with it.
func TestInvariantsHoldInRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(rt, rapid.IntRange(1, 3).Draw(rt, "locations"), rapid.IntRange(1, 3).Draw(rt, "replicas"))
		defer f.close()
		for _, l := range f.ledgers[0] {
			for i, sku := range skus {
				delta := rapid.Int64Range(0, 6).Draw(rt, "fill") + int64(i)
				moves := []ledger.Move{{SKU: sku, Delta: delta}}
				require.NoError(rt, l.Receive(context.Background(), "fill-"+sku, moves))
			}
		}
		var wg sync.WaitGroup
		failed := make(chan error, 100)
		for r, v := range f.replicas {
			for range rapid.IntRange(1, 3).Draw(rt, "clients") {
				steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 30).Draw(rt, "steps")
				timeouts := rapid.SliceOfN(rapid.IntRange(0, 300), len(steps), len(steps)).Draw(rt, "timeouts")
				location := rapid.IntRange(0, len(f.locations)-1).Draw(rt, "location")
				wg.Go(func() {
					for i, step := range steps {
						ctx, cancel := context.Background(), func() {}
						if timeouts[i] < 30 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(timeouts[i])*10*time.Microsecond)
						}
						if err := step.run(ctx, v, f.ledgers[r][location]); err != nil && ctx.Err() == nil {
							failed <- err
						}
						cancel()
					}
				})
			}
		}
		wg.Wait()
		for _, log := range f.logs { // wait until commands whose callers have given up are decided
			_, err := log.Do(context.Background(), nil, func(*commitlog.Tx[stock.State]) error { return nil })
			require.NoError(rt, err)
		}
		select {
		case err := <-failed:
			rt.Fatal(err)
		default:
		}
		f.completeOrders(rt)
		for i := range f.locations {
			f.checkLog(rt, i)
		}
	})
}

// completeOrders repeats the reservations, some of which were interrupted, and checks the orders over all locations.
func (f *fixture) completeOrders(rt *rapid.T) {
	ctx := context.Background()
	v := f.replicas[0]
	for _, order := range orders {
		before, known, err := v.Hold(ctx, order)
		require.NoError(rt, err)
		if !known {
			continue
		}
		after, err := v.Reserve(ctx, order, lines(line("hat", 1_000)), due) // rule 3: a repetition gets what is held
		if err != nil {
			require.True(rt, fault.Is(err, "out-of-stock"), err)
			after, _, err = v.Hold(ctx, order)
			require.NoError(rt, err)
			require.Equal(rt, stock.Released, after.Status)
		}
		if before.Status == stock.Released {
			require.Equal(rt, stock.Released, after.Status)
		}
		for sku, n := range after.Shipped { // what was returned cannot be shipped again
			require.LessOrEqual(rt, n+after.Lines[sku], total(wanted(order))[sku])
		}
		if after.Status == stock.Held {
			require.Equal(rt, total(wanted(order)), after.Lines, "all lines, once: %+v", f.dump(order))
		}
	}
}

func (f *fixture) dump(order string) (all []string) {
	for i, l := range f.ledgers[0] {
		h, ok, err := l.Hold(context.Background(), order)
		all = append(all, fmt.Sprintf("%s: %v %v %+v", f.locations[i], ok, err, h))
	}
	return all
}

func total(lines []contract.Line) map[string]int64 {
	sum := map[string]int64{}
	for _, l := range lines {
		sum[l.SKU] += l.Quantity
	}
	return sum
}

// checkLog checks the log of a location, and that every process agrees with it.
func (f *fixture) checkLog(rt *rapid.T, at int) {
	ctx := context.Background()
	log := f.openLog(rt, f.locations[at], commitlog.Options{Resident: true})
	defer log.Close(ctx)

	// The levels by the published events, at every commit.
	type sums struct{ in, out, reserved int64 }
	levels := map[string]*sums{}
	for n := uint64(1); n <= log.Head(); n++ {
		commits, err := log.Read(ctx, n, 1)
		require.NoError(rt, err)
		require.Len(rt, commits, 1)
		for _, e := range commits[0].Events {
			if e.Internal {
				continue
			}
			var m struct{ Quantity int64 }
			require.NoError(rt, e.Decode(&m))
			l := levels[e.Aggregate]
			if l == nil {
				l = &sums{}
				levels[e.Aggregate] = l
			}
			switch e.Type {
			case stock.Received, stock.Adjusted, stock.Returned:
				l.in += m.Quantity
			case stock.Shipped:
				l.out, l.reserved = l.out+m.Quantity, l.reserved-m.Quantity
			case stock.Reserved:
				l.reserved += m.Quantity
			case stock.Freed:
				l.reserved -= m.Quantity
			}
			require.True(rt, 0 <= l.reserved && l.reserved <= l.in-l.out, "%s after commit %d: %+v", e.Aggregate, n, *l)
		}
	}

	held, undecided := map[string]int64{}, map[string]time.Time{}
	indexed := map[string]time.Time{}
	rebuilt := map[string]string{}
	log.All(func(id string, state stock.State, _ uint64) bool {
		raw, err := json.Marshal(state)
		require.NoError(rt, err)
		rebuilt[id] = string(raw)
		if h := state.Hold; h != nil {
			for sku, n := range h.Lines {
				held["sku/"+sku] += n
				require.Positive(rt, n, "%s of %s", sku, id)
			}
			for sku, n := range h.Shipped {
				require.Positive(rt, n, "%s of %s", sku, id)
			}
			if h.Status == stock.Held {
				undecided[strings.TrimPrefix(id, "hold/")] = h.ExpiresAt
			}
		}
		for order, when := range state.Undecided {
			indexed[order] = when
		}
		return true
	})
	for id, l := range levels {
		state, _, err := log.Get(ctx, id)
		require.NoError(rt, err)
		require.Equal(rt, stock.Level{OnHand: l.in - l.out, Reserved: l.reserved}, state.Level, id)
		require.Equal(rt, held[id], l.reserved, "%s: reserved is the sum of the holds", id)
	}
	require.Equal(rt, undecided, indexed)

	// Every process, and a new one that begins with documents, has the states of the log to the byte.
	f.addReplica(rt)
	for i := at; i < len(f.logs); i += len(f.locations) {
		for id, want := range rebuilt {
			var state stock.State
			_, err := f.logs[i].Do(ctx, []string{id}, func(tx *commitlog.Tx[stock.State]) error {
				state, _ = tx.State(id)
				return nil
			})
			require.NoError(rt, err)
			raw, err := json.Marshal(state)
			require.NoError(rt, err)
			require.Equal(rt, want, string(raw), id)
		}
	}
}
