package service

import (
	"context"
	"strings"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/internal/roster"
)

// maxCompared is how many orders are compared in one round.
const maxCompared = 500

// compareOrders compares the orders of which no feed has had an event for some time. The goods of an order are only
// compared when catalog has applied the last event of the order, and the feeds of the stock were read after that.
func (w *Watcher) compareOrders(ctx context.Context) {
	now := w.Now()
	ids, position := w.shop.Due(now, maxCompared)
	if len(ids) > 0 && !w.compare(ctx, ids, position, now) {
		for _, id := range ids {
			w.shop.Postpone(id, now)
		}
		return
	}
	w.metrics.ran(now, invariants.Stock, invariants.Money, invariants.OneOrder, invariants.Sums)
}

// compare compares orders. It returns false if it cannot do so now.
func (w *Watcher) compare(ctx context.Context, ids []string, position uint64, now time.Time) bool {
	if !w.catalogHasApplied(ctx, position) || !w.readFeeds(ctx) {
		return false
	}
	histories, ok := w.readHistories(ctx, ids, now)
	if !ok {
		return false
	}
	for _, id := range ids {
		if !w.shop.Quiet(id, now) {
			continue // it will be due again
		}
		history := histories[id]
		w.set(ctx, "order/"+id, w.shop.Check(id, history, w.Now()))
		w.metrics.checks[invariants.Stock].Inc()
		w.metrics.checks[invariants.Sums].Inc()
		if history != nil {
			w.metrics.checks[invariants.Money].Inc()
		}
	}
	return true
}

// catalogHasApplied reports whether catalog has applied the events of orders up to a position: it frees the goods of an
// order when it learns of its end.
func (w *Watcher) catalogHasApplied(ctx context.Context, position uint64) bool {
	cursors, err := w.apps.cursors(ctx, roster.Catalog)
	if err != nil {
		w.failed(ctx, roster.Catalog, "read the cursors", err)
		return false
	}
	for _, c := range cursors {
		if c.Source == roster.OrdersLog.App && c.Partition == roster.OrdersLog.Name {
			return c.Position >= position
		}
	}
	return position == 0
}

// readHistories reads the histories of those orders whose payments can be compared, as far as the budget allows.
func (w *Watcher) readHistories(ctx context.Context, ids []string, now time.Time) (
	histories map[string]*contract.History, ok bool) {
	var wanted []string
	room := w.budget.room(now)
	for _, id := range ids {
		wants, needed := w.shop.WantsHistory(id)
		switch {
		case needed || wants && room > 0:
			wanted = append(wanted, id)
			room--
		case wants:
			w.metrics.skipped.Inc()
		}
	}
	histories = map[string]*contract.History{}
	for len(wanted) > 0 {
		n := min(len(wanted), maxHistories)
		found, err := w.apps.histories(ctx, wanted[:n])
		if err != nil {
			w.failed(ctx, roster.Orders, "read the histories of orders", err)
			return nil, false
		}
		for id, h := range found {
			histories[id] = h
		}
		w.budget.spend(n)
		wanted = wanted[n:]
	}
	return histories, true
}

// budget limits how many histories are read: so many a second, and at most those of ten seconds at once.
type budget struct {
	rate, saved float64
	at          time.Time
}

func (b *budget) room(now time.Time) int {
	if !b.at.IsZero() {
		b.saved += now.Sub(b.at).Seconds() * b.rate
	} else {
		b.saved = 10 * b.rate
	}
	b.saved, b.at = min(b.saved, 10*b.rate), now
	return int(b.saved)
}

func (b *budget) spend(n int) { b.saved -= float64(n) }

func orderOf(e contract.Event) string { return strings.TrimPrefix(e.Aggregate, "order/") }
