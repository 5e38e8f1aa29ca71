// Package allocation serves orders from the stock of several locations (rule 9 of package stock). Each location has a
// ledger; a command goes to those that take part in the order.
package allocation

import (
	"context"
	"maps"
	"slices"
	"time"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
)

// Locations is the stock of all locations. It is safe for concurrent use. Its methods promise what those of a Ledger
// do, but a command that changes several locations is not atomic: a repetition completes what was interrupted.
type Locations struct{ ledgers []*ledger.Ledger }

// New joins at least one ledger. Their order is that in which they serve, and every process must give the same; the
// first is the default location.
func New(first *ledger.Ledger, others ...*ledger.Ledger) *Locations {
	return &Locations{append([]*ledger.Ledger{first}, others...)}
}

// Find finds the ledger of a location. The empty name is the default location.
func (s *Locations) Find(name string) (*ledger.Ledger, bool) {
	if name == "" {
		return s.ledgers[0], true
	}
	for _, l := range s.ledgers {
		if l.Location() == name {
			return l, true
		}
	}
	return nil, false
}

// Ledgers lists the ledgers of the locations, in the order in which they serve.
func (s *Locations) Ledgers() []*ledger.Ledger { return slices.Clone(s.ledgers) }

// LocationLevel is the level of a SKU at one location.
type LocationLevel struct {
	Location string
	stock.Level
}

// Levels reads the levels of a SKU at all locations, in their order; known is false if no location has events of it.
func (s *Locations) Levels(ctx context.Context, sku string) (levels []LocationLevel, known bool, err error) {
	for _, l := range s.ledgers {
		level, seen, err := l.Level(ctx, sku)
		if err != nil {
			return nil, false, err
		}
		levels, known = append(levels, LocationLevel{l.Location(), level}), known || seen
	}
	return levels, known, nil
}

// CatchUp returns when this process has everything that any process had committed before the call.
func (s *Locations) CatchUp(ctx context.Context) error {
	for _, l := range s.ledgers {
		if err := l.CatchUp(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Available reads how many of each SKU can be sold, from all locations together: see Ledger.Available.
func (s *Locations) Available(ctx context.Context, skus []string) (map[string]int64, error) {
	var total map[string]int64
	for _, l := range s.ledgers {
		available, err := l.Available(ctx, skus)
		if err != nil {
			return nil, err
		}
		for sku, n := range total {
			available[sku] += n
		}
		total = available
	}
	return total, nil
}

// Receive is Ledger.Receive at the default location.
func (s *Locations) Receive(ctx context.Context, id string, moves []ledger.Move) error {
	return s.ledgers[0].Receive(ctx, id, moves)
}

// Adjust is Ledger.Adjust at one of the locations. An id that was used at another location is refused, unless both uses
// happen at the same moment.
func (s *Locations) Adjust(ctx context.Context, at *ledger.Ledger, a ledger.Adjustment) (stock.Receipt, error) {
	for _, l := range s.ledgers {
		if l == at {
			continue
		}
		if _, found, err := l.Receipt(ctx, a.ID); err != nil {
			return stock.Receipt{}, err
		} else if found {
			return stock.Receipt{}, ledger.ErrKeyReused
		}
	}
	return at.Adjust(ctx, a)
}

// ExpiredHolds lists the undecided orders with an expired hold: see Ledger.ExpiredHolds.
func (s *Locations) ExpiredHolds(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	for _, l := range s.ledgers {
		expired, err := l.ExpiredHolds(ctx, now)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, expired)
	}
	return all, nil
}

// History lists the events of a SKU at all locations, newest first. before has, by location, the mark of the event that
// was listed last. next continues after this page, and is nil at the end.
func (s *Locations) History(
	ctx context.Context, sku string, before map[string]commitlog.Mark, limit int,
) (entries []ledger.Entry, next map[string]commitlog.Mark, err error) {
	pages := make([][]ledger.Entry, len(s.ledgers))
	for i, l := range s.ledgers {
		if before[l.Location()].Seq == 1 {
			continue // its first event is listed
		}
		if pages[i], err = l.History(ctx, sku, before[l.Location()], limit+1); err != nil {
			return nil, nil, err
		}
	}
	next = maps.Clone(before)
	if next == nil {
		next = map[string]commitlog.Mark{}
	}
	for {
		latest := newest(pages)
		switch {
		case latest < 0:
			return entries, nil, nil
		case len(entries) == limit:
			return entries, next, nil
		}
		e := pages[latest][0]
		pages[latest] = pages[latest][1:]
		entries, next[e.Location] = append(entries, e), e.Mark
	}
}

// newest finds the page that begins with the latest event; -1 if all are empty. The events of one location stay in the
// order of their log, even if its clock was wrong.
func newest(pages [][]ledger.Entry) int {
	latest := -1
	for i, page := range pages {
		if len(page) > 0 && (latest < 0 || page[0].At.After(pages[latest][0].At)) {
			latest = i
		}
	}
	return latest
}
