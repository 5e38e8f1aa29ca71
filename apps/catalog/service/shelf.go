package service

import (
	"context"
	"sync"
	"time"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/internal/fault"
)

// stockAge is how old the list's in-stock filter may be. What a page shows is always read afresh.
const stockAge = time.Second

// shelf asks the inventory for the catalogue's pages.
type shelf struct {
	stock   Stock
	listing *listing.Index
	now     func() time.Time

	mu     sync.Mutex
	levels map[string]int64 // of all SKUs, for the filter; nil: unknown
	at     time.Time
}

func newShelf(stock Stock, index *listing.Index, now func() time.Time) *shelf {
	return &shelf{stock: stock, listing: index, now: now}
}

// of reads what is available of SKUs; at least 0 for each.
func (s *shelf) of(ctx context.Context, skus []string) (map[string]int64, error) {
	levels, err := s.stock.Levels(ctx, skus)
	if err != nil {
		return nil, outage(err)
	}
	return levels, nil
}

// filter tells which products have something in stock.
func (s *shelf) filter(ctx context.Context) (func(*listing.Entry) bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := s.now().Sub(s.at); s.levels == nil || age < 0 || age >= stockAge {
		levels, err := s.of(ctx, s.listing.SKUs())
		if err != nil {
			return nil, err
		}
		s.levels, s.at = levels, s.now()
	}
	levels := s.levels
	return func(e *listing.Entry) bool { return anyOf(e, levels) }, nil
}

// forget makes the next filter ask again.
func (s *shelf) forget() {
	s.mu.Lock()
	s.levels = nil
	s.mu.Unlock()
}

func anyOf(e *listing.Entry, levels map[string]int64) bool {
	for _, v := range e.Variants {
		if levels[v.SKU] > 0 {
			return true
		}
	}
	return false
}

// refusal is a receipt that the inventory will never take in.
type refusal struct {
	sku    string
	reason string
}

// settle has the inventory take in what imports counted. Receipts are idempotent, so those that another
// request is about to settle do no harm; one at a time, so that two attempts at one cannot end differently.
func (s *Service) settle(ctx context.Context) (refused []refusal, err error) {
	s.settling.Lock()
	defer s.settling.Unlock()
	receipts, err := s.catalog.Receipts(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range receipts {
		moves := make([]StockMove, len(r.Moves))
		for i, m := range r.Moves {
			moves[i] = StockMove{m.SKU, m.Delta, "import"}
		}
		err := s.stock.stock.Receive(ctx, r.ID, moves)
		f := fault.Of(err)
		final := err != nil && (f.Kind == fault.Conflict || f.Kind == fault.Invalid)
		if err != nil && !final {
			return refused, outage(err)
		}
		if final {
			for _, m := range moves {
				refused = append(refused, refusal{m.SKU, f.Detail})
			}
		}
		if err := s.catalog.Settle(ctx, r.ID, final); err != nil {
			return refused, err
		}
		s.stock.forget()
	}
	return refused, nil
}
