package stock_test

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

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var (
	skus   = []string{"hat", "tie", "sock"}
	orders = []string{"o0", "o1", "o2", "o3", "o4", "o5"}
)

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
		do:    rapid.SampledFrom([]string{"adjust", "reserve", "reserve", "commit", "commit", "commit", "release", "ship", "ship", "return"}).Draw(t, "do"),
		order: rapid.SampledFrom(orders).Draw(t, "order"),
		id:    rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6", "7", "8"}).Draw(t, "id"),
		delta: rapid.Int64Range(-5, 9).Draw(t, "delta"),
	}
	if s.do == "ship" || s.do == "return" { // mostly what may be right
		s.lines = wanted(s.order)[:rapid.IntRange(1, 2).Draw(t, "whole lines")]
	}
	for range rapid.IntRange(1-min(1, len(s.lines)), 2).Draw(t, "lines") {
		s.lines = append(s.lines, line(rapid.SampledFrom(skus).Draw(t, "sku"), rapid.Int64Range(1, 3).Draw(t, "quantity")))
	}
	return s
}

// wanted are the lines of an order, from its name.
func wanted(order string) []contract.Line {
	n := int64(order[1] - '0')
	return lines(line(skus[n%3], 1+n%2), line(skus[(n+1)%3], 1+n/2))
}

func (s step) run(ctx context.Context, v *stock.Inventory, at *stock.Ledger) error {
	var err error
	switch s.do {
	case "adjust":
		_, err = v.Adjust(ctx, at, stock.Adjustment{ID: s.id, Moves: []stock.Move{{SKU: s.lines[0].SKU, Delta: s.delta}, {SKU: skus[0], Delta: 1}}})
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

// shop is some locations, each written by some processes.
type shop struct {
	store     sidecar.State
	locations []string
	replicas  []*stock.Inventory
	ledgers   [][]*stock.Ledger // by replica, location
	logs      []*commitlog.Partition[stock.State]
}

func openShop(t require.TestingT, locations, replicas int) *shop {
	s := &shop{store: memory.NewState()}
	for i := range locations {
		s.locations = append(s.locations, fmt.Sprint("l", i))
	}
	for range replicas {
		s.addReplica(t)
	}
	return s
}

func (s *shop) addReplica(t require.TestingT) *stock.Inventory {
	var ledgers []*stock.Ledger
	for _, location := range s.locations {
		l, log, err := start(s.store, location, commitlog.Options{CheckpointEvery: time.Millisecond, Warm: 3, SyncEvery: time.Millisecond})
		require.NoError(t, err)
		ledgers, s.logs = append(ledgers, l), append(s.logs, log)
	}
	v := stock.NewInventory(ledgers[0], ledgers[1:]...)
	s.ledgers, s.replicas = append(s.ledgers, ledgers), append(s.replicas, v)
	return v
}

func (s *shop) close() {
	for _, log := range s.logs {
		log.Close(context.Background())
	}
}

// Whatever is commanded, at once, by several processes and with callers that give up in the middle: the
// invariants hold at every place of the log, and every reader agrees with it.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := openShop(rt, rapid.IntRange(1, 3).Draw(rt, "locations"), rapid.IntRange(1, 3).Draw(rt, "replicas"))
		defer s.close()
		for _, l := range s.ledgers[0] {
			for i, sku := range skus {
				require.NoError(rt, l.Receive(context.Background(), "fill-"+sku, []stock.Move{{SKU: sku, Delta: rapid.Int64Range(0, 6).Draw(rt, "fill") + int64(i)}}))
			}
		}
		var wg sync.WaitGroup
		failed := make(chan error, 100)
		for r, v := range s.replicas {
			for range rapid.IntRange(1, 3).Draw(rt, "clients") {
				steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 30).Draw(rt, "steps")
				patience := rapid.SliceOfN(rapid.IntRange(0, 300), len(steps), len(steps)).Draw(rt, "patience")
				place := rapid.IntRange(0, len(s.locations)-1).Draw(rt, "place")
				wg.Go(func() {
					for i, step := range steps {
						ctx, cancel := context.Background(), func() {}
						if patience[i] < 30 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(patience[i])*10*time.Microsecond)
						}
						if err := step.run(ctx, v, s.ledgers[r][place]); err != nil && ctx.Err() == nil {
							failed <- err
						}
						cancel()
					}
				})
			}
		}
		wg.Wait()
		for _, log := range s.logs { // what was given up may still be decided: wait until it is
			_, err := log.Do(context.Background(), nil, func(*commitlog.Tx[stock.State]) error { return nil })
			require.NoError(rt, err)
		}
		select {
		case err := <-failed:
			rt.Fatal(err)
		default:
		}
		s.finish(rt)
		for i := range s.locations {
			s.check(rt, i)
		}
	})
}

// finish repeats what may have been interrupted, and looks at the orders over all locations.
func (s *shop) finish(rt *rapid.T) {
	ctx := context.Background()
	v := s.replicas[0]
	for _, order := range orders {
		before, known, err := v.Hold(ctx, order)
		require.NoError(rt, err)
		if !known {
			continue
		}
		after, err := v.Reserve(ctx, order, lines(line("hat", 1_000)), due) // rule 3: what is asked now does not matter
		if err != nil {
			require.True(rt, fault.Is(err, "out-of-stock"), err)
			after, _, err = v.Hold(ctx, order)
			require.NoError(rt, err)
			require.Equal(rt, stock.Released, after.Status)
		}
		if before.Status == stock.Released {
			require.Equal(rt, stock.Released, after.Status)
		}
		for sku, n := range after.Shipped { // a return lets nothing be shipped again
			require.LessOrEqual(rt, n+after.Lines[sku], total(wanted(order))[sku])
		}
		if after.Status == stock.Held {
			require.Equal(rt, total(wanted(order)), after.Lines, "all lines, once: %+v", s.dump(order))
		}
	}
}

func (s *shop) dump(order string) (all []string) {
	for i, l := range s.ledgers[0] {
		h, ok, err := l.Hold(context.Background(), order)
		all = append(all, fmt.Sprintf("%s: %v %v %+v", s.locations[i], ok, err, h))
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

func (s *shop) check(rt *rapid.T, at int) {
	ctx := context.Background()
	_, log, err := start(s.store, s.locations[at], commitlog.Options{Resident: true})
	require.NoError(rt, err)
	defer log.Close(ctx)

	// By hand from the events, at every commit.
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
		require.Equal(rt, held[id], l.reserved, "%s: reserved is what the live holds have", id)
	}
	require.Equal(rt, undecided, indexed)

	// Every process, and a fresh one on documents and tail, agree with the log to the byte.
	s.addReplica(rt)
	for i := at; i < len(s.logs); i += len(s.locations) {
		for id, want := range rebuilt {
			var state stock.State
			_, err := s.logs[i].Do(ctx, []string{id}, func(tx *commitlog.Tx[stock.State]) error {
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
