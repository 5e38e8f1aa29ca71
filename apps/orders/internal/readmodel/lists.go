package readmodel

import (
	"context"
	"encoding/json"
	"fmt"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
)

// Entry is an entry of a list of orders.
type Entry struct {
	Order string `json:"order"`
}

// ListName names a list of orders.
type ListName string

// AllOrders is the list of all orders.
const AllOrders ListName = "all"

// CustomerList is the list of a customer's orders.
func CustomerList(customer string) ListName { return ListName("customer/" + customer) }

// StatusList is the list of the orders that have ever had a status.
func StatusList(status order.Status) ListName { return ListName("status/" + string(status)) }

// Aggregate is the list's id in the log: an order is added to the list by an event of this aggregate.
func (l ListName) Aggregate() string { return projection.ListID(string(l)) }

// Filter selects orders. With both fields set, List reads the customer's list and passes over other statuses.
type Filter struct {
	Customer string
	Status   order.Status
}

func (f Filter) list() ListName {
	switch {
	case f.Customer != "":
		return CustomerList(f.Customer)
	case f.Status != "":
		return StatusList(f.Status)
	}
	return AllOrders
}

// Listed is an order in a list.
type Listed struct {
	order.Order
	Version uint64
}

// maxScanned bounds how many entries one page looks at, so a page may have fewer orders than its limit.
const maxScanned = 300

// List returns a page of orders, newest first. before is the position that the page before returned, 0 for the first
// page; a returned position of 0 ends the list. What any process had committed before the call is in the list.
func (r *Orders) List(ctx context.Context, f Filter, before uint64,
	limit int) (orders []Listed, next uint64, err error) {
	for scanned := 0; scanned < maxScanned; {
		entries, err := r.lists.Read(ctx, string(f.list()), before, limit)
		if err != nil || len(entries) == 0 {
			return orders, 0, err
		}
		found, err := r.readEntries(ctx, entries)
		if err != nil {
			return nil, 0, err
		}
		for i, o := range found {
			scanned, before = scanned+1, entries[i].Seq
			if f.Status != "" && o.Status != f.Status {
				continue
			}
			if orders = append(orders, o); len(orders) == limit {
				return orders, positionAfter(before), nil
			}
		}
		if before <= 1 {
			return orders, 0, nil
		}
	}
	return orders, positionAfter(before), nil
}

// readEntries reads the orders of entries together. Memory is recent enough, because Lists.Read has looked at the end
// of the log.
func (r *Orders) readEntries(ctx context.Context, entries []projection.ListEntry) ([]Listed, error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		var entry Entry
		if err := json.Unmarshal(e.Data, &entry); err != nil {
			return nil, fmt.Errorf("%w: entry %d of a list: %w", commitlog.ErrCorrupt, e.Seq, err)
		}
		ids[i] = order.AggregateID(entry.Order)
	}
	states, err := r.log.RecentMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	orders := make([]Listed, len(ids))
	for i, id := range ids {
		s := states[id]
		if s.State.Order == nil {
			return nil, fmt.Errorf("%w: a list names %s, which does not exist", commitlog.ErrCorrupt, id)
		}
		orders[i] = Listed{*s.State.Order, s.Seq}
	}
	return orders, nil
}

// positionAfter is the position behind an entry; behind the first entry of the list there is nothing.
func positionAfter(seq uint64) uint64 {
	if seq <= 1 {
		return 0
	}
	return seq
}
