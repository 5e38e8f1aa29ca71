package invariants

import (
	"maps"
	"slices"
	"time"

	"haberdash/internal/contract"
)

// Due returns the orders that are to be compared now, and the position up to which their events in the log of the
// orders must have been applied by catalog before their goods are compared.
func (s *Shop) Due(now time.Time, limit int) (ids []string, position uint64) {
	for _, queue := range []*[]due{&s.changed, &s.again} {
		for len(*queue) > 0 && len(ids) < limit && !(*queue)[0].at.After(now) {
			id := (*queue)[0].id
			*queue = (*queue)[1:]
			o := s.open[id]
			if o == nil || now.Sub(o.changedAt) < s.o.Settle || slices.Contains(ids, id) {
				continue // it is planned again after its last change
			}
			ids, position = append(ids, id), max(position, o.position)
		}
	}
	return ids, position
}

// Postpone plans to compare an order again.
func (s *Shop) Postpone(id string, now time.Time) {
	s.again = append(s.again, due{id, now.Add(s.o.Again)})
}

// Quiet reports whether no feed has had an event of the order after a time.
func (s *Shop) Quiet(id string, since time.Time) bool {
	o := s.open[id]
	return o != nil && !o.changedAt.After(since)
}

// WantsHistory reports whether the money of an order can be compared now, for which Check needs its history. It is
// needed if no published event says that the goods are released.
func (s *Shop) WantsHistory(id string) (wants, needed bool) {
	o := s.open[id]
	if o == nil || o.order == nil || o.order.Unfinished() {
		return false, false
	}
	return true, o.order.NeedsRelease()
}

// Check compares what the feeds say about an order: the log of the orders with those of the stock, and with the history
// of the order, if there is one. If it finds violations, or cannot compare the order yet, it plans another check.
func (s *Shop) Check(id string, history *contract.History, now time.Time) []Violation {
	o := s.open[id]
	if o == nil {
		return nil
	}
	list, compared := s.compare(id, o, history)
	switch {
	case len(list) > 0 || !compared:
		s.Postpone(id, now)
	case !o.order.awaited():
		s.close(id, o)
	}
	return list
}

func (s *Shop) compare(id string, o *openOrder, history *contract.History) (list []Violation, compared bool) {
	if o.order == nil {
		return CheckUnknownOrder(id, o.stock), false
	}
	list = CheckSums(o.order)
	if o.order.Unfinished() {
		return list, true // its next event plans another check
	}
	if history != nil {
		lost, behind := o.checkHistory(id, history.Events)
		if len(lost) > 0 || behind {
			return append(list, lost...), false
		}
		o.order.SetHistory(history.Events)
	}
	goods := CheckReservations(o.order, o.stock)
	if o.order.NeedsRelease() && !o.order.Released && (history != nil || len(goods) > 0) {
		return list, false
	}
	list = append(list, goods...)
	if history != nil {
		list = append(list, CheckPayments(o.order)...)
	}
	return list, true
}

// checkHistory checks that the published events of a history are those of the feed. behind is true if the feed does not
// have all of them yet.
func (o *openOrder) checkHistory(id string, events []contract.HistoryEvent) (list []Violation, behind bool) {
	f := &found{invariant: EveryEvent, order: id}
	last, links := uint64(0), uint64(0)
	for i, e := range events {
		if e.Seq != uint64(i)+1 {
			f.add("its history has event %d after %d", e.Seq, i)
			return f.list, false
		}
		if e.Published && e.Seq <= o.seq {
			last, links = e.Seq, chain(links, e.Seq, e.Type)
		} else if e.Published {
			behind = true
		}
	}
	switch {
	case last < o.seq:
		f.invariant = NothingLost
		f.add("its history ends at event %d, the feed has event %d", last, o.seq)
	case links != o.chain:
		f.add("its history has other events than the feed, up to event %d", o.seq)
	}
	return f.list, behind
}

// close drops the details of an order.
func (s *Shop) close(id string, o *openOrder) {
	c := closedOrder{seq: o.seq, chain: o.chain}
	if o.order.Before != nil {
		c.amounts = *o.order.Before
	}
	for _, p := range o.order.Shipped() {
		c.amounts.Captured += p.Amount
	}
	for _, r := range o.order.Returns {
		if r.Settled {
			c.amounts.Refunded += r.Amount
		}
	}
	for _, r := range o.order.Refunds {
		if r.Settled {
			c.amounts.Refunded += r.Amount
		}
	}
	s.closed[digest(0, id)] = c
	delete(s.open, id)
}

// Orders returns the ids of the orders that are kept with their details, sorted.
func (s *Shop) Orders() []string { return slices.Sorted(maps.Keys(s.open)) }
