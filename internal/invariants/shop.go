package invariants

import (
	"strings"
	"time"

	"haberdash/internal/contract"
)

// Names of the logs that a Shop understands. Of other logs it checks the sequence only.
const (
	ordersLog   = "orders"
	stockPrefix = "stock-"
	orderPrefix = "order/"
	skuPrefix   = "sku/"
)

// Log names a log of an app.
type Log struct{ Source, Partition string }

// Options are the options of a Shop.
type Options struct {
	Settle time.Duration // an order is compared when no feed has had an event of it for so long
	Again  time.Duration // an order that could not be compared, or that violates an invariant, is compared again
}

// Shop folds the feeds of a shop. It keeps an order with its details (about a kilobyte) while something more is
// expected of it: until it is rejected, cancelled or completely shipped, and nothing is owed or on its way back. Then
// it keeps some amounts (closedOrder, a hundred bytes with their index), with which it can check what happens to the
// order later. It is not safe for concurrent use.
type Shop struct {
	o          Options
	feeds      map[Log]*Feed
	levels     map[place]*Level
	sequences  map[uint64]uint64 // by the digest of an aggregate: its last sequence number; not of orders and SKUs
	placements placements
	open       map[string]*openOrder
	closed     map[uint64]closedOrder // by the digest of the id
	changed    []due                  // in ascending order, as again
	again      []due
}

type place struct{ location, sku string }

// openOrder is what the feeds say about an order.
type openOrder struct {
	order     *Order // nil until the log of the orders has the order
	stock     OrderStock
	position  uint64 // of its last event in the log of the orders
	seq       uint64 // of the same event
	chain     uint64 // digest of the sequence numbers and types of its events
	changedAt time.Time
}

// closedOrder is what is kept of an order of which nothing more is expected.
type closedOrder struct {
	amounts    Amounts
	seq, chain uint64
}

type due struct {
	id string
	at time.Time
}

// NewShop makes the shop before its first event.
func NewShop(o Options) *Shop {
	return &Shop{o: o, feeds: map[Log]*Feed{}, levels: map[place]*Level{}, sequences: map[uint64]uint64{},
		placements: placements{carts: map[uint64]struct{}{}},
		open:       map[string]*openOrder{}, closed: map[uint64]closedOrder{}}
}

// Feed returns the feed of a log.
func (s *Shop) Feed(log Log) *Feed {
	f := s.feeds[log]
	if f == nil {
		f = &Feed{Source: log.Source, Partition: log.Partition}
		s.feeds[log] = f
	}
	return f
}

// Level returns the level of a SKU at a location, by its events.
func (s *Shop) Level(location, sku string) Level {
	if l := s.levels[place{location, sku}]; l != nil {
		return *l
	}
	return Level{}
}

// Sizes returns how many orders are kept with and without their details.
func (s *Shop) Sizes() (open, closed int) { return len(s.open), len(s.closed) }

// Apply folds the next event of a feed. The violations that it returns cannot heal.
func (s *Shop) Apply(e contract.Event, now time.Time) []Violation {
	log := Log{Source: e.Source, Partition: e.Partition}
	before := s.Feed(log).Position
	list := s.Feed(log).Apply(e)
	if e.Position <= before {
		return list // it was folded already
	}
	sku, isSKU := strings.CutPrefix(e.Aggregate, skuPrefix)
	order, isOrder := strings.CutPrefix(e.Aggregate, orderPrefix)
	location, isStock := strings.CutPrefix(e.Partition, stockPrefix)
	switch {
	case isStock && isSKU:
		return append(list, s.applyStock(location, sku, e, now)...)
	case e.Partition == ordersLog && isOrder:
		return append(list, s.applyOrder(order, e, now)...)
	}
	key := digest(0, e.Source, e.Partition, e.Aggregate)
	list = append(list, checkSequence(e, s.sequences[key])...)
	s.sequences[key] = e.Seq
	return list
}

// checkSequence checks that events of an aggregate ascend. Events that are not published have numbers too, so there are
// gaps.
func checkSequence(e contract.Event, before uint64) []Violation {
	f := &found{invariant: EveryEvent}
	if e.Seq <= before {
		f.add("the feed of %s has event %d of %s after event %d", e.Partition, e.Seq, e.Aggregate, before)
	}
	return f.list
}

func (s *Shop) applyStock(location, sku string, e contract.Event, now time.Time) []Violation {
	m, err := decode[contract.StockMovement](e)
	if err != nil {
		return unreadable(e, err)
	}
	l := s.levels[place{location, sku}]
	if l == nil {
		l = &Level{}
		s.levels[place{location, sku}] = l
	}
	if m.Order != "" {
		o := s.track(m.Order, now)
		o.stock.Apply(sku, e.Type, m)
	}
	return l.Apply(location, sku, e.Seq, e.Type, m)
}

func (s *Shop) applyOrder(id string, e contract.Event, now time.Time) []Violation {
	o := s.track(id, now)
	list := checkSequence(e, o.seq)
	o.position, o.seq, o.chain = e.Position, e.Seq, chain(o.chain, e.Seq, e.Type)
	switch {
	case o.order == nil && e.Type != contract.OrderPlaced:
		f := &found{invariant: EveryEvent, order: id}
		f.add("its first event is %s", e.Type)
		list, o.order = append(list, f.list...), &Order{ID: id}
	case o.order == nil:
		o.order = &Order{ID: id}
	case e.Type == contract.OrderPlaced:
		f := &found{invariant: OneOrder, order: id}
		f.add("was placed twice")
		return append(list, f.list...)
	}
	if e.Type == contract.OrderPlaced || e.Type == contract.OrderConfirmed {
		fact, err := contract.DecodeOrderFact(e)
		if err != nil {
			return append(list, unreadable(e, err)...)
		}
		if e.Type == contract.OrderPlaced {
			list = append(list, s.placements.placed(fact)...)
		} else {
			list = append(list, s.placements.confirmed(fact)...)
		}
	}
	if err := o.order.apply(e); err != nil {
		list = append(list, unreadable(e, err)...)
	}
	return list
}

func unreadable(e contract.Event, err error) []Violation {
	f := &found{invariant: EveryEvent}
	f.add("the event %s cannot be applied: %v", e.ID, err)
	return f.list
}

func chain(before, seq uint64, eventType string) uint64 { return digest(before^seq<<1, eventType) }

// track returns what is known of an order that an event is about, and plans to compare it.
func (s *Shop) track(id string, now time.Time) *openOrder {
	o := s.open[id]
	if o == nil {
		o = &openOrder{}
		key := digest(0, id)
		if c, was := s.closed[key]; was {
			delete(s.closed, key)
			o.seq, o.chain = c.seq, c.chain
			o.order = &Order{ID: id, Status: "closed", Before: &c.amounts}
		}
		s.open[id] = o
	}
	if !o.changedAt.Equal(now) || o.changedAt.IsZero() {
		o.changedAt = now
		s.changed = append(s.changed, due{id, now.Add(s.o.Settle)})
	}
	return o
}
