package checker

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/snapshot"
	"haberdash/tests/chaos/view"
)

// violation is a change of the example that breaks an invariant.
type violation struct {
	invariant int
	change    func(*snapshot.Snapshot, *record.Record)
}

// violations has at least one violation for each check, by a description.
func violations() map[string]violation {
	all := map[string]violation{}
	for _, some := range []map[string]violation{
		stockViolations, adjustmentViolations, paymentViolations, keyViolations, feedViolations, effectViolations,
		orderViolations, actionViolations, listViolations, sumViolations,
	} {
		maps.Copy(all, some)
	}
	return all
}

func TestCheckerFindsEveryViolation(t *testing.T) {
	t.Parallel()
	s, r := example()
	require.Empty(t, Check(s, r), "the example has no violation")
	require.Empty(t, s.Unfinished())

	for name, v := range violations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, r := example()
			v.change(s, r)
			var found []int
			for _, f := range Check(s, r) {
				found = append(found, f.Invariant)
			}
			require.Contains(t, found, v.invariant)
			require.NotEmpty(t, Report(s, Check(s, r)))
		})
	}
}

func TestUnfinishedWorkIsFound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*snapshot.Snapshot){
		"undecided order": func(s *snapshot.Snapshot) {
			changeOrder(s, "A", func(o *snapshot.Order) { o.Status = "placing" })
		},
		"pending fulfilment": func(s *snapshot.Snapshot) {
			changeOrder(s, "A", func(o *snapshot.Order) { o.Fulfilments[0].Status = "pending" })
		},
		"return without its refund": func(s *snapshot.Snapshot) {
			changeOrder(s, "A", func(o *snapshot.Order) { o.Returns[0].Refunded = nil })
		},
		"refund without its end": func(s *snapshot.Snapshot) {
			changeOrder(s, "A", func(o *snapshot.Order) { o.Events = o.Events[:17] })
		},
		"cancellation before the payment is voided": func(s *snapshot.Snapshot) {
			changeOrder(s, "B", func(o *snapshot.Order) { o.Events = o.Events[:4] })
		},
		"event during the reading": func(s *snapshot.Snapshot) { s.Moved = true },
		"consumer behind its feed": func(s *snapshot.Snapshot) { s.Cursors["cart"][0].Position-- },
	} {
		s, _ := example()
		change(s)
		require.Len(t, s.Unfinished(), 1, name)
	}
}

// changeOrder changes an order of the example.
func changeOrder(s *snapshot.Snapshot, id string, f func(*snapshot.Order)) {
	o := s.Orders[id]
	f(&o)
	s.Orders[id] = o
}

// changeStock changes the stock of the hats.
func changeStock(s *snapshot.Snapshot, f func(*snapshot.Stock)) {
	stock := s.Stock["HAT"]
	f(&stock)
	s.Stock["HAT"] = stock
}

// order returns a violation in an order of the snapshot.
func order(invariant int, id string, f func(*snapshot.Order)) violation {
	return violation{invariant, func(s *snapshot.Snapshot, _ *record.Record) { changeOrder(s, id, f) }}
}

// stock returns a violation in the stock of the hats.
func stock(invariant int, f func(*snapshot.Stock)) violation {
	return violation{invariant, func(s *snapshot.Snapshot, _ *record.Record) { changeStock(s, f) }}
}

// stockHistory returns a violation in event i of the history of the hats.
func stockHistory(invariant, i int, f func(*view.StockEvent)) violation {
	return stock(invariant, func(s *snapshot.Stock) { f(&s.Events[i]) })
}

// state returns a violation anywhere in the snapshot.
func state(invariant int, f func(*snapshot.Snapshot)) violation {
	return violation{invariant, func(s *snapshot.Snapshot, _ *record.Record) { f(s) }}
}

// answer returns a violation in the record: the shop gave an answer that is not true.
func answer(invariant int, f func(*record.Record)) violation {
	return violation{invariant, func(_ *snapshot.Snapshot, r *record.Record) { f(r) }}
}
