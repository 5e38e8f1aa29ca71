package invariants

import (
	"maps"

	"haberdash/internal/contract"
)

// Level is the stock of a SKU at one location: the sum of its events.
type Level struct {
	OnHand, Reserved int64
	seq              uint64 // of the last event
}

// Apply changes the level by an event. The aggregate of the event has no gap in its sequence numbers.
func (l *Level) Apply(location, sku string, seq uint64, eventType string, m contract.StockMovement) []Violation {
	f := &found{invariant: Stock}
	if seq != l.seq+1 {
		f.add("%s at %s: event %d follows %d", sku, location, seq, l.seq)
	}
	l.seq = seq
	switch n := m.Quantity; eventType {
	case contract.StockReceived, contract.StockAdjusted, contract.StockReturned:
		l.OnHand += n
	case contract.StockReserved:
		l.Reserved += n
	case contract.StockReleased:
		l.Reserved -= n
	case contract.StockShipped:
		l.OnHand -= n
		l.Reserved -= n
	}
	if l.Reserved < 0 || l.Reserved > l.OnHand {
		f.order = m.Order
		f.add("%s at %s: %d on hand and %d reserved after event %d, %s of %d",
			sku, location, l.OnHand, l.Reserved, seq, eventType, m.Quantity)
	}
	return f.list
}

// OrderStock is what the events of all locations say about the goods of one order.
type OrderStock struct {
	Reserved map[string]int64          // by SKU: neither released nor shipped
	Moved    map[Part]map[string]int64 // by SKU: left the stock in a parcel or entered it in a return
}

// Part is a parcel or a return of an order.
type Part struct{ Kind, ID string } // Kind is parcel or return

// Apply adds an event of a SKU to the sums.
func (s *OrderStock) Apply(sku, eventType string, m contract.StockMovement) {
	switch eventType {
	case contract.StockReserved:
		s.reserve(sku, m.Quantity)
	case contract.StockReleased:
		s.reserve(sku, -m.Quantity)
	case contract.StockShipped:
		s.reserve(sku, -m.Quantity)
		s.move(Part{"parcel", m.ID}, sku, m.Quantity)
	case contract.StockReturned:
		s.move(Part{"return", m.ID}, sku, m.Quantity)
	}
}

func (s *OrderStock) reserve(sku string, n int64) {
	if s.Reserved == nil {
		s.Reserved = map[string]int64{}
	}
	if s.Reserved[sku] += n; s.Reserved[sku] == 0 {
		delete(s.Reserved, sku)
	}
}

func (s *OrderStock) move(p Part, sku string, n int64) {
	if s.Moved == nil {
		s.Moved = map[Part]map[string]int64{}
	}
	if s.Moved[p] == nil {
		s.Moved[p] = map[string]int64{}
	}
	s.Moved[p][sku] += n
}

// CheckReservations checks the goods of an order that is not Unfinished: exactly its unshipped quantities are reserved,
// each of its parcels left the stock once, and each return to be restocked entered the stock once.
func CheckReservations(o *Order, s OrderStock) []Violation {
	f := &found{invariant: Stock, order: o.ID}
	parts := map[Part]map[string]int64{}
	for _, p := range o.Shipped() {
		parts[Part{"parcel", p.ID}] = sum(p.Lines)
	}
	for _, r := range o.Returns {
		if r.Settled && r.Restock {
			parts[Part{"return", r.ID}] = sum(r.Lines)
		}
	}
	for part, want := range parts {
		if got := s.Moved[part]; !maps.Equal(got, want) {
			f.add("the %s %s has %v, but %v in the history of the stock", part.Kind, part.ID, want, got)
		}
	}
	for part, got := range s.Moved {
		if parts[part] == nil {
			f.add("the history of the stock has the %s %s of %v, which the order does not have", part.Kind, part.ID, got)
		}
	}
	wanted := o.Unshipped()
	for sku, want := range wanted {
		if got := s.Reserved[sku]; got != want {
			f.add("is %s: %d of %s are reserved for it instead of %d", o.Status, got, sku, want)
		}
	}
	for sku, got := range s.Reserved {
		if _, bought := wanted[sku]; !bought && got != 0 {
			f.add("is %s: %d of %s are reserved for it instead of none", o.Status, got, sku)
		}
	}
	return f.sorted()
}

// CheckUnknownOrder checks the goods of an order that its log does not have.
func CheckUnknownOrder(id string, s OrderStock) []Violation {
	f := &found{invariant: Stock, order: id}
	for sku, got := range s.Reserved {
		f.add("%d of %s are reserved for it, but there is no such order", got, sku)
	}
	for part, got := range s.Moved {
		f.add("the history of the stock has the %s %s of %v, but there is no such order", part.Kind, part.ID, got)
	}
	return f.sorted()
}

func sum(lines []contract.Line) map[string]int64 {
	sums := map[string]int64{}
	for _, l := range lines {
		sums[l.SKU] += l.Quantity
	}
	return sums
}
