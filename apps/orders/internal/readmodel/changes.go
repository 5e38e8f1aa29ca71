package readmodel

import (
	"context"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Change is an event that the background work behind an order needs to know.
type Change struct {
	Order   string
	At      time.Time
	Trace   string // the traceparent of the command, if its trace was recorded
	Placed  bool   // the order is new
	Decided bool   // it was confirmed or rejected
	Duty    bool   // it owes something that it did not owe before
	Done    bool   // something that it owed is done, or cannot be done
	Own     bool   // this process has committed it: see commitlog.Commit.Own

	// Rejection is the reason of a rejection, or empty.
	Rejection string
}

func changeOf(e commitlog.Event) (c Change, ok bool) {
	id, isOrder := order.IDOf(e.Aggregate)
	if !isOrder {
		return c, false
	}
	c = Change{Order: id, At: e.At, Trace: e.Trace}
	switch e.Type {
	case contract.OrderPlaced:
		c.Placed = true
	case contract.OrderConfirmed:
		c.Decided = true
	case contract.OrderRejected:
		c.Decided, c.Rejection = true, reasonOf(e)
	case contract.OrderCancelled, order.EventUnshippedEnded, order.EventFulfilmentRequested, order.EventReturnReceived,
		order.EventRefundRequested:
		c.Duty = true
	case order.EventPaymentVoided, contract.FulfilmentShipped, order.EventFulfilmentFailed, order.EventReturnRefunded,
		order.EventRefundPaid, order.EventRefundFailed:
		c.Done = true
	default:
		return c, false
	}
	return c, true
}

// unknownReason is the reason of a rejection whose data cannot be decoded.
const unknownReason = "unknown"

func reasonOf(e commitlog.Event) string {
	var why order.Rejection
	if e.Decode(&why) != nil || why.Reason == "" {
		return unknownReason
	}
	return why.Reason
}

// SubscribeToChanges calls fn with every change from now on, in order. fn must be quick and must not use the log.
func (r *Orders) SubscribeToChanges(ctx context.Context, fn func(Change)) error {
	return r.log.Subscribe(ctx, func(c commitlog.Commit) { eachChange(c, fn) })
}

func eachChange(c commitlog.Commit, fn func(Change)) {
	for _, e := range c.Events {
		if change, ok := changeOf(e); ok {
			change.Own = c.Own
			fn(change)
		}
	}
}

// Backlog calls fn with the changes after the stored cursor of that name.
func (r *Orders) Backlog(ctx context.Context, cursor string, fn func(Change)) error {
	at, err := r.log.Cursor(ctx, cursor)
	for head := r.log.Head(); err == nil && at < head; {
		var commits []commitlog.Commit
		if commits, err = r.log.Read(ctx, at+1, 100); len(commits) == 0 {
			return err
		}
		for _, c := range commits {
			eachChange(c, fn)
		}
		at = commits[len(commits)-1].N
	}
	return err
}

// ProcessDuties calls fn with the changes after which an order owes something, one by one and each at least once, from
// the stored cursor of that name on. It returns when ctx ends; it tries again after an error of the store or of fn.
func (r *Orders) ProcessDuties(ctx context.Context, cursor string, fn func(context.Context, Change) error) {
	r.log.Follow(ctx, cursor, 1, func(ctx context.Context, commits []commitlog.Commit) (err error) {
		for _, c := range commits {
			eachChange(c, func(change Change) {
				if err == nil && (change.Placed || change.Duty) {
					err = fn(ctx, change)
				}
			})
		}
		return err
	})
}

// OrderIDs calls fn with the ids of all orders, a page at a time, in the order in which they were placed.
func (r *Orders) OrderIDs(ctx context.Context, fn func(ids []string) error) error {
	for next := uint64(1); ; {
		commits, err := r.log.Read(ctx, next, 100)
		if err != nil || len(commits) == 0 {
			return err
		}
		var ids []string
		for _, c := range commits {
			eachChange(c, func(change Change) {
				if change.Placed {
					ids = append(ids, change.Order)
				}
			})
		}
		if len(ids) > 0 {
			if err := fn(ids); err != nil {
				return err
			}
		}
		next += uint64(len(commits))
	}
}
