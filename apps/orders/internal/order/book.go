package order

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Book is the log of orders. Its methods may be called at the same time, from several processes; each is
// atomic, and idempotent as the rules say.
type Book struct {
	log   *commitlog.Partition[State]
	lists *commitlog.Lists[State]
}

// NewBook makes a book on an open orders log. List needs Run.
func NewBook(log *commitlog.Partition[State]) *Book { return &Book{log, commitlog.NewLists(log)} }

// Run keeps the lists of orders behind the log until ctx ends.
func (b *Book) Run(ctx context.Context) { b.lists.Run(ctx) }

// Pages are the documents that the lists are read from.
func (b *Book) Pages() *commitlog.Projection { return b.lists.Projection() }

// change decides a command on one order, and keeps the lists by status.
func (b *Book) change(ctx context.Context, id string, others []string, decide func(*commitlog.Tx[State], Order) error) (o Order, version uint64, err error) {
	_, err = b.log.Do(ctx, slices.Concat([]string{orderID(id)}, others, listsOfStatus), func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(orderID(id))
		if s.Order == nil {
			return fault.Missing("order")
		}
		before := s.Order.Status
		if err := decide(tx, *s.Order); err != nil {
			return err
		}
		s, version = tx.State(orderID(id))
		o = *s.Order
		if o.Status != before {
			tx.Note(listOfStatus(o.Status), listed, Entry{id})
		}
		return nil
	})
	return o, version, err
}

// invalid refuses what the order's status does not allow. RFC 9457 has taken the member "status".
func invalid(o Order) *fault.Error {
	return fault.New(fault.Conflict, "invalid-transition", "An order that is %s does not allow this.", o.Status).With("orderStatus", o.Status)
}

// Get reads an order; version counts its events. Problems: not-found (404).
func (b *Book) Get(ctx context.Context, id string) (Order, uint64, error) {
	s, version, err := b.log.Get(ctx, orderID(id))
	if err == nil && s.Order == nil {
		err = fault.Missing("order")
	}
	if err != nil {
		return Order{}, 0, err
	}
	return *s.Order, version, nil
}

// Many reads orders together, as Get does; when one of them is not known, the error is not-found (404).
func (b *Book) Many(ctx context.Context, ids []string) ([]Order, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = orderID(id)
	}
	found, err := b.log.GetMany(ctx, names)
	if err != nil {
		return nil, err
	}
	orders := make([]Order, len(ids))
	for i, name := range names {
		s := found[name].State
		if s.Order == nil {
			return nil, fault.Missing("order")
		}
		orders[i] = *s.Order
	}
	return orders, nil
}

// Warm gives an order that is in memory, without asking the store. Others may have changed it a moment ago.
func (b *Book) Warm(id string) (Order, uint64, bool) {
	s, version, warm := b.log.Warm(orderID(id))
	if !warm || s.Order == nil {
		return Order{}, 0, false
	}
	return *s.Order, version, true
}

// At gives an order as it was after its event of that sequence number, for an answer that is given again.
func (b *Book) At(ctx context.Context, id string, version uint64) (Order, error) {
	events, err := b.log.History(ctx, orderID(id), version+1, int(version))
	if err != nil {
		return Order{}, err
	}
	var s State
	for _, e := range slices.Backward(events) {
		if s, err = apply(orderID(id), s, e); err != nil {
			return Order{}, err
		}
	}
	if s.Order == nil {
		return Order{}, fault.Missing("order")
	}
	return *s.Order, nil
}

// Entry is what the lists of orders have of an order.
type Entry struct {
	Order string `json:"order"`
}

// The lists: of all orders, of a customer's, and of those that have ever come to a status.
var listAll = commitlog.ListID("all")

func listOfCustomer(user string) string { return commitlog.ListID("customer/" + user) }
func listOfStatus(s Status) string      { return commitlog.ListID("status/" + string(s)) }

// listsOfStatus are the lists that a change may add an order to.
var listsOfStatus = func() (ids []string) {
	for _, s := range []Status{Placing, Confirmed, Rejected, Cancelled, PartiallyFulfilled, Fulfilled, Delivered, Returned} {
		ids = append(ids, listOfStatus(s))
	}
	return ids
}()

// Filter of a list. At most one of the fields narrows by index, the other by looking.
type Filter struct {
	Customer string
	Status   Status
}

// Listed is an order in a list.
type Listed struct {
	Order
	Version uint64
}

// scanned bounds how many entries one page looks at; a page may have fewer orders than its limit.
const scanned = 300

// List pages through orders, newest first. before is the position that the page before gave, 0 at first; a
// position of 0 in the answer ends the list. What this process has committed is in it.
func (b *Book) List(ctx context.Context, f Filter, before uint64, limit int) (orders []Listed, next uint64, err error) {
	list := "all"
	switch {
	case f.Customer != "":
		list = "customer/" + f.Customer
	case f.Status != "":
		list = "status/" + string(f.Status)
	}
	for looked := 0; looked < scanned; {
		entries, err := b.lists.Read(ctx, list, before, limit)
		if err != nil || len(entries) == 0 {
			return orders, 0, err
		}
		found, err := b.orders(ctx, entries)
		if err != nil {
			return nil, 0, err
		}
		for i, o := range found {
			looked, before = looked+1, entries[i].Seq
			if f.Status != "" && o.Status != f.Status {
				continue
			}
			if orders = append(orders, o); len(orders) == limit {
				return orders, more(before), nil
			}
		}
		if before <= 1 {
			return orders, 0, nil
		}
	}
	return orders, more(before), nil
}

// orders reads the orders that entries name, together.
func (b *Book) orders(ctx context.Context, entries []commitlog.ListEntry) ([]Listed, error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		var x Entry
		if err := json.Unmarshal(e.Data, &x); err != nil {
			return nil, fmt.Errorf("%w: entry %d of a list: %w", commitlog.ErrCorrupt, e.Seq, err)
		}
		ids[i] = orderID(x.Order)
	}
	states, err := b.log.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	orders := make([]Listed, len(ids))
	for i, id := range ids {
		s := states[id]
		if s.State.Order == nil {
			return nil, fmt.Errorf("%w: a list has %s, which is not there", commitlog.ErrCorrupt, id)
		}
		orders[i] = Listed{*s.State.Order, s.Seq}
	}
	return orders, nil
}

// more is the position after an entry: there is nothing before the first.
func more(seq uint64) uint64 {
	if seq <= 1 {
		return 0
	}
	return seq
}

// Changed is closed when any order changes next.
func (b *Book) Changed() <-chan struct{} { return b.log.Changed() }
