package ledger

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
)

// Level reads the level of a SKU at the end of the log, or, while the store does not answer, in memory; known is false
// for a SKU without events.
func (l *Ledger) Level(ctx context.Context, sku string) (level stock.Level, known bool, err error) {
	s, seq, err := l.log.GetOrRecent(ctx, stock.SKUID(sku))
	return s.Level, seq > 0, err
}

// Available reads how many of each SKU can be sold: 0 of a SKU without events. The answer may be a second old. Reserve
// decides at the end of the log.
func (l *Ledger) Available(ctx context.Context, skus []string) (map[string]int64, error) {
	ids := make([]string, len(skus))
	for i, sku := range skus {
		ids[i] = stock.SKUID(sku)
	}
	states, err := l.log.RecentMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	available := make(map[string]int64, len(skus))
	for i, sku := range skus {
		available[sku] = states[ids[i]].State.Available()
	}
	return available, nil
}

// CatchUp returns when this process has everything that any process had committed before the call.
func (l *Ledger) CatchUp(ctx context.Context) error { return l.log.CatchUp(ctx) }

// Hold reads the hold of an order as it is at the end of the log; found is false if there is none.
func (l *Ledger) Hold(ctx context.Context, order string) (hold stock.Hold, found bool, err error) {
	var stored *stock.Hold
	_, err = l.log.Do(ctx, []string{stock.HoldID(order)}, func(tx *transaction) error {
		s, _ := tx.State(stock.HoldID(order))
		stored = s.Hold
		return nil
	})
	if err != nil || stored == nil {
		return stock.Hold{}, false, err
	}
	return *stored, true, nil
}

// Receipt reads the receipt of an adjustment that was made here.
func (l *Ledger) Receipt(ctx context.Context, id string) (receipt stock.Receipt, found bool, err error) {
	s, _, err := l.log.Get(ctx, stock.AdjustmentID(id))
	if err != nil || s.Receipt == nil {
		return stock.Receipt{}, false, err
	}
	return *s.Receipt, true, nil
}

// ExpiredHolds lists the undecided orders whose holds have expired, with the time of expiry. The caller asks the orders
// service for their decisions. The clock alone frees no hold: an order that is confirmed while this service is down
// must not lose its goods.
func (l *Ledger) ExpiredHolds(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	ids := undecidedParts()
	var index []map[string]time.Time
	_, err := l.log.Do(ctx, ids, func(tx *transaction) error {
		index = nil
		for _, id := range ids {
			s, _ := tx.State(id)
			index = append(index, s.Undecided)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	expired := map[string]time.Time{}
	for _, part := range index {
		for order, at := range part {
			if !now.Before(at) {
				expired[order] = at
			}
		}
	}
	return expired, nil
}

// Entry is an event in the history of a SKU. Seq counts the SKU's events at the location.
type Entry struct {
	Seq      uint64
	Type     string
	At       time.Time
	Data     json.RawMessage
	Location string
	Mark     commitlog.Mark // the place of the event, for the next page
}

// History lists the events of a SKU before a mark, newest first.
func (l *Ledger) History(ctx context.Context, sku string, before commitlog.Mark, limit int) ([]Entry, error) {
	events, err := l.log.HistoryBefore(ctx, stock.SKUID(sku), before, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(events))
	for i, e := range events {
		entries[i] = Entry{Seq: e.Seq, Type: e.Type, At: e.At, Data: e.Data, Location: l.location, Mark: e.Mark()}
	}
	return entries, nil
}
