package stock

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/internal/commitlog"
)

// Level reads one SKU; known is false for a SKU that never had a movement.
func (l *Ledger) Level(ctx context.Context, sku string) (level Level, known bool, err error) {
	s, seq, err := l.log.Get(ctx, skuID(sku))
	return s.Level, seq > 0, err
}

// Levels reads the free quantities of SKUs; one without movements has none free.
func (l *Ledger) Levels(ctx context.Context, skus []string) (map[string]int64, error) {
	ids := make([]string, len(skus))
	for i, sku := range skus {
		ids[i] = skuID(sku)
	}
	states, err := l.log.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[string]int64, len(skus))
	for i, sku := range skus {
		out[sku] = states[ids[i]].State.Available()
	}
	return out, nil
}

// Hold reads an order's reservation, as the log has it now.
func (l *Ledger) Hold(ctx context.Context, order string) (Hold, bool, error) {
	var hold *Hold
	_, err := l.log.Do(ctx, []string{holdID(order)}, func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(holdID(order))
		hold = s.Hold
		return nil
	})
	if err != nil {
		return Hold{}, false, err
	}
	if hold == nil {
		return Hold{}, false, nil
	}
	return *hold, true, nil
}

// Undecided gives the orders whose hold is past its time, and that time: ask orders what became of them.
// A hold is never freed by the clock alone: an order confirmed while this service was down would lose
// its goods.
func (l *Ledger) Undecided(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	parts := make([]string, undecidedParts)
	for n := range parts {
		parts[n] = undecidedPart(uint32(n))
	}
	var index []map[string]time.Time
	_, err := l.log.Do(ctx, parts, func(tx *commitlog.Tx[State]) error {
		index = nil
		for _, id := range parts {
			s, _ := tx.State(id)
			index = append(index, s.Undecided)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	due := map[string]time.Time{}
	for _, part := range index {
		for order, at := range part {
			if !now.Before(at) {
				due[order] = at
			}
		}
	}
	return due, nil
}

// Entry is one event of a SKU's history. Seq counts the SKU's events at the location.
type Entry struct {
	Seq      uint64
	Type     string
	At       time.Time
	Data     json.RawMessage
	Location string
	mark     commitlog.Mark
}

// History lists a SKU's events, newest first: those before the mark.
func (l *Ledger) History(ctx context.Context, sku string, before commitlog.Mark, limit int) ([]Entry, error) {
	events, err := l.log.HistoryBefore(ctx, skuID(sku), before, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(events))
	for i, e := range events {
		entries[i] = Entry{Seq: e.Seq, Type: e.Type, At: e.At, Data: e.Data, Location: l.location, mark: e.Mark()}
	}
	return entries, nil
}
