package orderlog

import (
	"context"
	"slices"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Repository keeps orders in their log. A version that it returns counts the events of the order. It is safe for
// concurrent use, also by several processes: each command is atomic, and idempotent as the rules say.
type Repository struct {
	log *commitlog.Partition[order.State]
}

// New makes a repository on an open orders log.
func New(log *commitlog.Partition[order.State]) *Repository { return &Repository{log} }

type transaction = commitlog.Tx[order.State]

// statusLists are the lists that a change may add an order to.
var statusLists = func() (ids []string) {
	for _, s := range order.Statuses {
		ids = append(ids, readmodel.StatusList(s).Aggregate())
	}
	return ids
}()

// change decides a command on one order, and adds the order to the list of its status when that changes. The command
// may also look at the aggregates in others.
func (r *Repository) change(ctx context.Context, id string, others []string,
	decide func(*transaction, order.Order) error) (o order.Order, version uint64, err error) {
	aggregate := order.AggregateID(id)
	_, err = r.log.Do(ctx, slices.Concat([]string{aggregate}, others, statusLists), func(tx *transaction) error {
		s, _ := tx.State(aggregate)
		if s.Order == nil {
			return fault.Missing("order")
		}
		before := s.Order.Status
		if err := decide(tx, *s.Order); err != nil {
			return err
		}
		s, version = tx.State(aggregate)
		o = *s.Order
		if o.Status != before {
			tx.EmitInternal(readmodel.StatusList(o.Status).Aggregate(), order.EventListed, readmodel.Entry{Order: id})
		}
		return nil
	})
	return o, version, err
}

// invalidTransition refuses a command that the order's status does not allow: invalid-transition (409). The member is
// not named status, because RFC 9457 uses that name.
func invalidTransition(o order.Order) *fault.Error {
	return fault.New(fault.Conflict, "invalid-transition", "An order that is %s does not allow this.", o.Status).
		With("orderStatus", o.Status)
}

// Get reads an order as it is at the end of the log. Problem: not-found (404).
func (r *Repository) Get(ctx context.Context, id string) (order.Order, uint64, error) {
	return existing(r.log.Get(ctx, order.AggregateID(id)))
}

// GetOrRecent is Get for readers: while the store does not answer, it returns what memory has. Problem: not-found
// (404).
func (r *Repository) GetOrRecent(ctx context.Context, id string) (order.Order, uint64, error) {
	return existing(r.log.GetOrRecent(ctx, order.AggregateID(id)))
}

// Recent reads an order from memory if it is there: another process may have changed it a second ago. It is enough for
// what never changes, such as who has placed the order. Problem: not-found (404), as of Get.
func (r *Repository) Recent(ctx context.Context, id string) (order.Order, uint64, error) {
	return existing(r.log.Recent(ctx, order.AggregateID(id)))
}

func existing(s order.State, version uint64, err error) (order.Order, uint64, error) {
	if err == nil && s.Order == nil {
		err = fault.Missing("order")
	}
	if err != nil {
		return order.Order{}, 0, err
	}
	return *s.Order, version, nil
}

// GetMany reads orders together, as Get does. Problem: not-found (404) when one of them does not exist.
func (r *Repository) GetMany(ctx context.Context, ids []string) ([]order.Order, error) {
	aggregates := make([]string, len(ids))
	for i, id := range ids {
		aggregates[i] = order.AggregateID(id)
	}
	found, err := r.log.GetMany(ctx, aggregates)
	if err != nil {
		return nil, err
	}
	orders := make([]order.Order, len(ids))
	for i, aggregate := range aggregates {
		s := found[aggregate].State
		if s.Order == nil {
			return nil, fault.Missing("order")
		}
		orders[i] = *s.Order
	}
	return orders, nil
}

// Warm returns an order that is in memory, without a call of the store. Another process may have changed it a second
// ago.
func (r *Repository) Warm(id string) (order.Order, uint64, bool) {
	s, version, warm := r.log.Warm(order.AggregateID(id))
	if !warm || s.Order == nil {
		return order.Order{}, 0, false
	}
	return *s.Order, version, true
}

// At returns an order as it was at a version, for an answer that is repeated.
func (r *Repository) At(ctx context.Context, id string, version uint64) (order.Order, error) {
	events, err := r.log.History(ctx, order.AggregateID(id), version+1, int(version))
	if err != nil {
		return order.Order{}, err
	}
	var s order.State
	for _, e := range slices.Backward(events) {
		if s, err = order.Model().Apply(order.AggregateID(id), s, e); err != nil {
			return order.Order{}, err
		}
	}
	if s.Order == nil {
		return order.Order{}, fault.Missing("order")
	}
	return *s.Order, nil
}

// Changed is closed when any order changes next.
func (r *Repository) Changed() <-chan struct{} { return r.log.Changed() }
