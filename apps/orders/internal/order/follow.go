package order

import (
	"context"
	"strings"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Change is an event that the order's lifecycle has to know of.
type Change struct {
	Order   string
	At      time.Time
	Placed  bool // there is a new order
	Decided bool // it is confirmed or rejected
	Duty    bool // the order owes something that it did not before
}

func changeOf(e commitlog.Event) (c Change, ok bool) {
	id, isOrder := strings.CutPrefix(e.Aggregate, "order/")
	if !isOrder {
		return c, false
	}
	c = Change{Order: id, At: e.At}
	switch e.Type {
	case contract.OrderPlaced:
		c.Placed = true
	case contract.OrderConfirmed, contract.OrderRejected:
		c.Decided = true
	case contract.OrderCancelled, restEnded, fulfilmentRequested, returnReceived, refundRequested:
		c.Duty = true
	default:
		return c, false
	}
	return c, true
}

// Watch calls fn with every change from now on, in order; fn must be quick and must not call the book.
func (b *Book) Watch(ctx context.Context, fn func(Change)) error {
	return b.log.Subscribe(ctx, func(c commitlog.Commit) { each(c, fn) })
}

func each(c commitlog.Commit, fn func(Change)) {
	for _, e := range c.Events {
		if change, ok := changeOf(e); ok {
			fn(change)
		}
	}
}

// Backlog calls fn with the changes that the follower of that name has not come to yet.
func (b *Book) Backlog(ctx context.Context, follower string, fn func(Change)) error {
	at, err := b.log.Cursor(ctx, follower)
	for head := b.log.Head(); err == nil && at < head; {
		var commits []commitlog.Commit
		if commits, err = b.log.Read(ctx, at+1, 100); len(commits) == 0 {
			return err
		}
		for _, c := range commits {
			each(c, fn)
		}
		at = commits[len(commits)-1].N
	}
	return err
}

// Follow hands the changes to fn one by one, each at least once, from a stored cursor on. It returns when ctx
// ends; outages, and fn's errors, are waited out.
func (b *Book) Follow(ctx context.Context, follower string, fn func(context.Context, Change) error) {
	b.log.Follow(ctx, follower, 1, func(ctx context.Context, commits []commitlog.Commit) (err error) {
		for _, c := range commits {
			each(c, func(change Change) {
				if err == nil && (change.Placed || change.Duty) {
					err = fn(ctx, change)
				}
			})
		}
		return err
	})
}

// Placed calls fn with the ids of all orders, some at a time, in the order in which they were placed.
func (b *Book) Placed(ctx context.Context, fn func(ids []string) error) error {
	for next := uint64(1); ; {
		commits, err := b.log.Read(ctx, next, 100)
		if err != nil || len(commits) == 0 {
			return err
		}
		var ids []string
		for _, c := range commits {
			each(c, func(change Change) {
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
