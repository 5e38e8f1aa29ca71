package ledger

import (
	"context"
	"slices"
	"strings"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
)

// HoldEvent is a change of the hold of an order.
type HoldEvent struct {
	Order string
	Type  string // stock.HoldPlaced, stock.HoldCommitted or stock.HoldReleased
	First bool   // the order had no hold before: the release of nothing, or a refusal, is recorded too
	Own   bool   // this process has committed it: see commitlog.Commit.Own
}

// FollowHolds calls start with the orders whose holds are undecided, and then change with each further change of a
// hold, in the order of the log. It may call start again, whose orders then replace those before. Both must be quick
// and must not use the ledger.
func (l *Ledger) FollowHolds(ctx context.Context, start func(undecided []string), change func(HoldEvent)) error {
	err := l.log.Subscribe(ctx, func(c commitlog.Commit) {
		for _, e := range c.Events {
			if h, ok := holdEventOf(e); ok {
				h.Own = c.Own
				change(h)
			}
		}
	})
	if err != nil {
		return err
	}
	parts := undecidedParts()
	// The writer of the log runs commands and subscribers, so no change comes between the command and what start does.
	_, err = l.log.Do(ctx, parts, func(tx *transaction) error {
		var orders []string
		for _, id := range parts {
			s, _ := tx.State(id)
			for order := range s.Undecided {
				orders = append(orders, order)
			}
		}
		start(orders)
		return nil
	})
	return err
}

func holdEventOf(e commitlog.Event) (h HoldEvent, ok bool) {
	if !slices.Contains([]string{stock.HoldPlaced, stock.HoldCommitted, stock.HoldReleased}, e.Type) {
		return h, false
	}
	order, ok := strings.CutPrefix(e.Aggregate, stock.HoldID(""))
	return HoldEvent{Order: order, Type: e.Type, First: e.Seq == 1}, ok
}

// undecidedParts lists the aggregates of the index of undecided holds.
func undecidedParts() []string {
	ids := make([]string, stock.UndecidedParts)
	for n := range ids {
		ids[n] = stock.UndecidedPart(uint32(n))
	}
	return ids
}
