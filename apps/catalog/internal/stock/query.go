package stock

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Level reads one SKU; known is false for a SKU that never had a movement.
func (l *Ledger) Level(ctx context.Context, sku string) (level Level, known bool, err error) {
	s, seq, err := l.log.Get(ctx, skuID(sku))
	return s.Level, seq > 0, err
}

// Levels reads the free quantities of SKUs; one without movements has none free.
func (l *Ledger) Levels(ctx context.Context, skus []string) (map[string]int64, error) {
	out := make(map[string]int64, len(skus))
	for _, sku := range skus {
		s, _, err := l.log.Get(ctx, skuID(sku))
		if err != nil {
			return nil, err
		}
		out[sku] = s.Available()
	}
	return out, nil
}

// Hold reads an order's reservation.
func (l *Ledger) Hold(ctx context.Context, order string) (Hold, bool, error) {
	s, _, err := l.log.Get(ctx, holdID(order))
	if err != nil || s.Hold == nil {
		return Hold{}, false, err
	}
	return *s.Hold, true, nil
}

// Undecided lists orders whose hold is past its time: ask orders what became of them. A hold is never
// freed by the clock alone: an order confirmed while this service was down would lose its goods.
func (l *Ledger) Undecided(ctx context.Context, now time.Time) ([]string, error) {
	s, _, err := l.log.Get(ctx, undecidedID)
	if err != nil {
		return nil, err
	}
	var orders []string
	for _, order := range slices.Sorted(maps.Keys(s.Undecided)) {
		if !now.Before(s.Undecided[order]) {
			orders = append(orders, order)
		}
	}
	return orders, nil
}

// Entry is one event of a SKU's history.
type Entry struct {
	Seq  uint64          `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// History lists a SKU's events, newest first: those before sequence number before (0: all).
func (l *Ledger) History(ctx context.Context, sku string, before uint64, limit int) ([]Entry, error) {
	events, err := l.log.History(ctx, skuID(sku), before, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(events))
	for i, e := range events {
		entries[i] = Entry{Seq: e.Seq, Type: e.Type, At: e.At, Data: e.Data}
	}
	return entries, nil
}
