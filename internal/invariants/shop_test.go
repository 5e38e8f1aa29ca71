package invariants_test

import (
	"encoding/json"

	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
)

const settle = 10 * time.Second

// watched folds the feeds of a world in the order of time. compare is called between events with the orders that are
// due.
func watched(w *world, compare func(s *invariants.Shop, now time.Time)) (
	s *invariants.Shop, found []invariants.Violation) {
	s = invariants.NewShop(invariants.Options{Settle: settle, Again: settle})
	all := slices.Clone(w.orders)
	for _, events := range w.stock {
		all = append(all, events...)
	}
	slices.SortStableFunc(all, func(a, b contract.Event) int { return a.At.Compare(b.At) })
	for _, e := range all {
		found = append(found, s.Apply(e, e.At)...)
		if compare != nil {
			compare(s, e.At)
		}
	}
	return s, found
}

// settled compares all orders that are due at the end of the feeds, and returns all violations.
func settled(w *world, found []invariants.Violation, s *invariants.Shop) []invariants.Violation {
	now := w.now.Add(time.Hour)
	ids, _ := s.Due(now, 1000)
	for _, id := range ids {
		found = append(found, s.Check(id, w.histories[id], now)...)
	}
	return found
}

func check(w *world) []invariants.Violation {
	s, found := watched(w, nil)
	return settled(w, found, s)
}

func TestCorrectHistoriesHaveNoViolation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		require.Empty(t, check(w))
	})
}

// Orders that are compared early are dropped, and what happens to them later is still compared.
func TestOrdersThatWereDroppedAreComparedAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		early := rapid.SliceOfN(rapid.Bool(), 1, 20).Draw(t, "early")
		n := 0
		s, found := watched(w, func(s *invariants.Shop, now time.Time) {
			n++
			if !early[n%len(early)] {
				return
			}
			for _, id := range s.Orders() {
				s.Check(id, nil, now) // may find what the next event heals, and is discarded
			}
		})
		require.Empty(t, settled(w, found, s))
		open, closed := s.Sizes()
		require.Equal(t, w.numbers, open+closed)
	})
}

func TestOrdersAreKeptWhileSomethingIsExpected(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.move("main", hat, contract.StockReceived, contract.StockMovement{Quantity: 100})
	undecided, confirmed, cancelled, shipped, partly := w.place(1), w.place(1), w.place(1), w.place(2), w.place(2)
	for _, m := range []*model{confirmed, cancelled, shipped, partly} {
		m.confirm()
	}
	cancelled.cancel()
	shipped.ship(2)
	partly.ship(1)
	w.place(1).reject()
	s, found := watched(w, nil)
	require.Empty(t, settled(w, found, s))
	require.Equal(t, []string{undecided.id, confirmed.id, partly.id}, s.Orders())
	_, closed := s.Sizes()
	require.Equal(t, 3, closed)
	require.Equal(t, int64(98-1), s.Level("main", hat).OnHand)
}

// broken returns a world with an order of each kind that was changed by f, which breaks an invariant.
func broken(f func(w *world, open, shipped, cancelled *model)) *world {
	w := newWorld()
	w.move("main", hat, contract.StockReceived, contract.StockMovement{Quantity: 20})
	open, shipped, cancelled := w.place(2), w.place(3), w.place(1)
	open.confirm()
	shipped.confirm()
	cancelled.confirm()
	cancelled.cancel()
	shipped.ship(2)
	shipped.ship(1)
	shipped.giveBack(1, true)
	f(w, open, shipped, cancelled)
	return w
}

// changeData changes the data of the first event of an order that has the type.
func changeData[T any](w *world, id, eventType string, change func(*T)) {
	for i, e := range w.orders {
		if e.Aggregate == "order/"+id && e.Type == eventType {
			var data T
			if err := json.Unmarshal(e.Data, &data); err != nil {
				panic(err)
			}
			change(&data)
			w.orders[i].Data, _ = json.Marshal(data)
			return
		}
	}
	panic("no such event")
}

func changeMovement(w *world, id, eventType string, change func(*contract.HistoryEvent)) {
	for i, e := range w.histories[id].Events {
		if e.Type == eventType {
			change(&w.histories[id].Events[i])
			return
		}
	}
	panic("no such event")
}

func move(w *world, eventType string, quantity int64, order, id string) {
	w.move("main", hat, eventType, contract.StockMovement{Quantity: quantity, Order: order, ID: id})
}

// violations break one invariant each.
var violations = map[string]struct {
	invariant int
	change    func(w *world, open, shipped, cancelled *model)
}{
	"more reserved than there is": {invariants.Stock, func(w *world, open, _, _ *model) {
		move(w, contract.StockReserved, 50, open.id, "")
	}},
	"fewer reserved than none": {invariants.Stock, func(w *world, open, _, _ *model) {
		move(w, contract.StockReleased, 50, open.id, "")
	}},
	"reservation that is lost": {invariants.Stock, func(w *world, open, _, _ *model) {
		move(w, contract.StockReleased, 2, open.id, "")
	}},
	"reservation of a cancelled order": {invariants.Stock, func(w *world, _, _, cancelled *model) {
		move(w, contract.StockReserved, 1, cancelled.id, "")
	}},
	"reservation of a shipped order": {invariants.Stock, func(w *world, _, shipped, _ *model) {
		move(w, contract.StockReserved, 1, shipped.id, "")
	}},
	"reservation of no order": {invariants.Stock, func(w *world, _, _, _ *model) {
		move(w, contract.StockReserved, 1, "nobody", "")
	}},
	"parcel that left twice": {invariants.Stock, func(w *world, _, shipped, _ *model) {
		move(w, contract.StockReserved, 1, shipped.id, "")
		move(w, contract.StockShipped, 1, shipped.id, "f2")
	}},
	"return that entered twice": {invariants.Stock, func(w *world, _, shipped, _ *model) {
		move(w, contract.StockReturned, 1, shipped.id, "r3")
	}},
	"return that was not restocked": {invariants.Stock, func(w *world, _, shipped, _ *model) {
		shipped.giveBack(1, false)
		changeData(w, shipped.id, contract.ReturnReceived, func(f *contract.ReceiptFact) { f.ID = "r3" })
		for i := len(w.orders) - 1; i >= 0; i-- {
			if e := &w.orders[i]; e.Type == contract.ReturnReceived {
				e.Data, _ = json.Marshal(contract.ReceiptFact{OrderID: shipped.id, ID: "r4", Restock: true, Owed: price})
				break
			}
		}
	}},
	"SKU with a gap in its events": {invariants.Stock, func(w *world, _, _, _ *model) {
		w.seqs["main "+hat]++
		move(w, contract.StockAdjusted, 1, "", "")
	}},

	"authorised twice": {invariants.Money, func(w *world, open, _, _ *model) {
		w.pay(open.id, contract.PaymentAuthorized, "", 0)
	}},
	"authorised for another amount": {invariants.Money, func(w *world, open, _, _ *model) {
		changeMovement(w, open.id, contract.PaymentAuthorized, func(e *contract.HistoryEvent) { e.Amount++ })
	}},
	"captured for nothing": {invariants.Money, func(w *world, open, _, _ *model) {
		w.pay(open.id, contract.PaymentCaptured, "f9", 1)
	}},
	"captured twice": {invariants.Money, func(w *world, _, shipped, _ *model) {
		w.pay(shipped.id, contract.PaymentCaptured, "f1", 2*price+shipping)
	}},
	"captured less than shipped": {invariants.Money, func(w *world, _, shipped, _ *model) {
		changeMovement(w, shipped.id, contract.PaymentCaptured, func(e *contract.HistoryEvent) { e.Amount-- })
	}},
	"refunded twice": {invariants.Money, func(w *world, _, shipped, _ *model) {
		w.pay(shipped.id, contract.PaymentRefunded, "r3", price)
	}},
	"refunded without a cause": {invariants.Money, func(w *world, _, shipped, _ *model) {
		w.pay(shipped.id, contract.PaymentRefunded, "r9", 1)
	}},
	"money held for a cancelled order": {invariants.Money, func(w *world, _, _, cancelled *model) {
		changeMovement(w, cancelled.id, contract.PaymentVoided, func(e *contract.HistoryEvent) { e.Amount = 0 })
	}},

	"placed twice": {invariants.OneOrder, func(w *world, open, _, _ *model) {
		w.publish(open.id, contract.OrderPlaced, open.fact())
	}},
	"number that was given before": {invariants.OneOrder, func(w *world, _, _, _ *model) {
		last := w.place(1)
		changeData(w, last.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Number = "H10001" })
	}},
	"number that is none": {invariants.OneOrder, func(w *world, _, _, _ *model) {
		last := w.place(1)
		changeData(w, last.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Number = "" })
	}},
	"two confirmed orders of one cart": {invariants.OneOrder, func(w *world, open, _, _ *model) {
		last := w.place(1)
		last.confirm()
		changeData(w, last.id, contract.OrderConfirmed, func(f *contract.OrderFact) { f.CartID = "cart-" + open.id })
	}},

	"feed with a gap": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.orders = slices.Delete(w.orders, 3, 4)
	}},
	"feed with an event twice": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		e := w.orders[len(w.orders)-1]
		e.Position++
		w.orders = append(w.orders, e)
	}},
	"feed that repeats a position": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.orders = append(w.orders, w.orders[len(w.orders)-1])
	}},
	"event of another log": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.orders[2].ID = contract.EventID("orders", "orders", 99, 0)
	}},
	"order whose events are out of sequence": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.orders[len(w.orders)-1].Seq = 1
	}},
	"order that was never placed": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.publish("stranger", contract.OrderConfirmed, contract.OrderFact{OrderID: "stranger"})
	}},
	"event that cannot be read": {invariants.EveryEvent, func(w *world, _, _, _ *model) {
		w.orders[len(w.orders)-1].Data = json.RawMessage(`{"id":7}`)
	}},
	"parcel that was not requested": {invariants.EveryEvent, func(w *world, open, _, _ *model) {
		w.publish(open.id, contract.FulfilmentShipped, contract.ShipmentFact{OrderID: open.id, ID: "f9"})
	}},
	"history with other events than the feed": {invariants.EveryEvent, func(w *world, open, _, _ *model) {
		changeMovement(w, open.id, contract.OrderConfirmed, func(e *contract.HistoryEvent) { e.Type = "order.rejected" })
	}},
	"history with a gap": {invariants.EveryEvent, func(w *world, open, _, _ *model) {
		changeMovement(w, open.id, contract.OrderConfirmed, func(e *contract.HistoryEvent) { e.Seq++ })
	}},

	"history that lost its last event": {invariants.NothingLost, func(w *world, open, _, _ *model) {
		h := w.histories[open.id]
		h.Events = h.Events[:len(h.Events)-1]
	}},
	"history that lost the order": {invariants.NothingLost, func(w *world, open, _, _ *model) {
		w.histories[open.id].Events = nil
	}},

	"total that is not the sum": {invariants.Sums, func(w *world, open, _, _ *model) {
		changeData(w, open.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Shipping.Amount++ })
	}},
	"line that is not the product": {invariants.Sums, func(w *world, open, _, _ *model) {
		changeData(w, open.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Lines[0].UnitPrice.Amount++ })
	}},
	"discount of the lines only": {invariants.Sums, func(w *world, open, _, _ *model) {
		changeData(w, open.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Lines[0].Discount.Amount++ })
	}},
	"line with more tax than the order": {invariants.Sums, func(w *world, open, _, _ *model) {
		changeData(w, open.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Lines[0].Tax.Amount++ })
	}},
	"line in another currency": {invariants.Sums, func(w *world, open, _, _ *model) {
		changeData(w, open.id, contract.OrderPlaced, func(f *contract.OrderFact) { f.Lines[0].Tax.Currency = "USD" })
	}},
	"parcel of more than its share": {invariants.Sums, func(w *world, _, shipped, _ *model) {
		changeData(w, shipped.id, contract.FulfilmentRequested, func(f *contract.FulfilmentFact) {
			f.Fulfilment.Parts[0].Amount += 2 * price
		})
	}},
	"parcel with foreign goods": {invariants.Sums, func(w *world, _, shipped, _ *model) {
		changeData(w, shipped.id, contract.FulfilmentRequested, func(f *contract.FulfilmentFact) {
			f.Fulfilment.Parts[0].SKU = "TIE"
		})
	}},
}

func TestEveryViolationIsFound(t *testing.T) {
	t.Parallel()
	require.Empty(t, check(broken(func(*world, *model, *model, *model) {})), "without a change")
	for name, v := range violations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found []int
			list := check(broken(v.change))
			for _, f := range list {
				found = append(found, f.Invariant)
				require.NotEmpty(t, f.String())
			}
			require.Contains(t, found, v.invariant, "%v", list)
		})
	}
}

// What is found of an order that was dropped is found as well.
func TestViolationsOfDroppedOrdersAreFound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, shipped *model){
		"reserved again": func(w *world, shipped *model) { move(w, contract.StockReserved, 1, shipped.id, "") },
		"refunded twice": func(w *world, shipped *model) {
			shipped.refund(shipping)
			w.pay(shipped.id, contract.PaymentRefunded, "again", 1)
		},
		"placed again": func(w *world, shipped *model) { w.publish(shipped.id, contract.OrderPlaced, shipped.fact()) },
		"captured again": func(w *world, shipped *model) {
			shipped.refund(1)
			w.pay(shipped.id, contract.PaymentCaptured, "f7", 1)
		},
	} {
		w := broken(func(*world, *model, *model, *model) {})
		shipped := &model{w: w, id: "o10002", quantity: 3, parts: 9}
		s, found := watched(w, nil)
		require.Empty(t, settled(w, found, s))
		require.NotContains(t, s.Orders(), shipped.id)
		orders, stock := len(w.orders), len(w.stock["main"])
		change(w, shipped)
		for _, e := range append(w.orders[orders:], w.stock["main"][stock:]...) {
			found = append(found, s.Apply(e, e.At)...)
		}
		require.NotEmpty(t, settled(w, found, s), name)
	}
}

func TestAnOrderIsComparedWhenItIsQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.move("main", hat, contract.StockReceived, contract.StockMovement{Quantity: 100})
	m := w.place(1)
	m.confirm()
	s, found := watched(w, nil)
	require.Empty(t, found)
	ids, _ := s.Due(w.now.Add(settle-1), 10)
	require.Empty(t, ids)
	require.True(t, s.Quiet(m.id, w.now))
	require.False(t, s.Quiet(m.id, w.now.Add(-1)))
	ids, position := s.Due(w.now.Add(settle), 10)
	require.Equal(t, []string{m.id}, ids)
	require.Equal(t, uint64(2), position)
	ids, _ = s.Due(w.now.Add(time.Hour), 10)
	require.Empty(t, ids, "it was due already")

	s.Postpone(m.id, w.now)
	ids, _ = s.Due(w.now.Add(settle), 10)
	require.Equal(t, []string{m.id}, ids)

	ahead := contract.History{OrderID: m.id,
		Events: append(slices.Clone(w.histories[m.id].Events), contract.HistoryEvent{Seq: 5, Type: "x", Published: true})}
	require.Empty(t, s.Check(m.id, &ahead, w.now), "the feed is behind the history")
	ids, _ = s.Due(w.now.Add(settle), 10)
	require.Equal(t, []string{m.id}, ids, "it is compared again")
}

func BenchmarkApply(b *testing.B) {
	w := newWorld()
	w.move("main", hat, contract.StockReceived, contract.StockMovement{Quantity: 1_000_000})
	for range 2000 {
		m := w.place(2)
		m.confirm()
		m.ship(2)
	}
	events := len(w.orders) + len(w.stock["main"])
	b.ReportAllocs()
	for b.Loop() {
		s, _ := watched(w, nil)
		ids, _ := s.Due(w.now.Add(time.Hour), 100_000)
		for _, id := range ids {
			s.Check(id, nil, w.now)
		}
	}
	b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
}
