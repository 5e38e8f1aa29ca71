package products

import (
	"context"
	"sync"
	"time"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/listing"
)

// maxFilterAge bounds the age of the stock by which a list is filtered. The stock that an answer shows is read for it.
const maxFilterAge = time.Second

// Availability tells which products can be sold. It is safe for concurrent use.
type Availability struct {
	stock   *allocation.Locations
	listing *listing.Listing
	now     func() time.Time

	mu       sync.Mutex
	levels   map[string]int64 // of all SKUs, for the filter; nil: unknown
	readAt   time.Time
	revision uint64 // of the listing when levels was read
}

// NewAvailability makes the availability of the listed products from the stock.
func NewAvailability(stock *allocation.Locations, list *listing.Listing, now func() time.Time) *Availability {
	return &Availability{stock: stock, listing: list, now: now}
}

// Of reads how many of each SKU can be sold: for staff at this moment, for others as of at most a second ago.
func (a *Availability) Of(ctx context.Context, skus []string) (map[string]int64, error) {
	if isStaff(ctx) && len(skus) > 0 {
		if err := a.stock.CatchUp(ctx); err != nil {
			return nil, err
		}
	}
	return a.stock.Available(ctx, skus)
}

// Filter returns a filter for products of which something can be sold: see Of.
func (a *Availability) Filter(ctx context.Context) (func(*listing.Entry) bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	revision := a.listing.Revision()
	age := a.now().Sub(a.readAt)
	if a.levels == nil || a.revision != revision || age < 0 || age >= maxFilterAge || isStaff(ctx) {
		levels, err := a.Of(ctx, a.listing.SKUs())
		if err != nil {
			return nil, err
		}
		a.levels, a.readAt, a.revision = levels, a.now(), revision
	}
	levels := a.levels
	return func(e *listing.Entry) bool { return inStock(e, levels) }, nil
}

// Receive has the stock receive moves: see Ledger.Receive. The next Filter reads the stock again.
func (a *Availability) Receive(ctx context.Context, id string, moves []ledger.Move) error {
	err := a.stock.Receive(ctx, id, moves)
	a.mu.Lock()
	a.levels = nil
	a.mu.Unlock()
	return err
}

func inStock(e *listing.Entry, levels map[string]int64) bool {
	for _, v := range e.Variants {
		if levels[v.SKU] > 0 {
			return true
		}
	}
	return false
}
