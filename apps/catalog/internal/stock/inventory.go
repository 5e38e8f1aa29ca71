package stock

import (
	"context"
	"maps"
	"time"

	"haberdash/internal/commitlog"
)

// Inventory is the stock of all locations (rule 9). Its methods promise what a Ledger's do; those that
// touch several locations are not atomic, but a repetition finishes what was interrupted.
type Inventory struct{ ledgers []*Ledger }

// NewInventory joins at least one ledger. Their order is the order in which they serve, and every process
// must give the same; the first is the default location.
func NewInventory(first *Ledger, others ...*Ledger) *Inventory {
	return &Inventory{append([]*Ledger{first}, others...)}
}

// Location finds a location by its name; the empty name is the default one's.
func (v *Inventory) Location(name string) (*Ledger, bool) {
	if name == "" {
		return v.ledgers[0], true
	}
	for _, l := range v.ledgers {
		if l.location == name {
			return l, true
		}
	}
	return nil, false
}

// Place is a SKU's level at one location.
type Place struct {
	Location string
	Level
}

// Places reads a SKU's levels at all locations, in their order; known is false if none ever had it.
func (v *Inventory) Places(ctx context.Context, sku string) (places []Place, known bool, err error) {
	for _, l := range v.ledgers {
		level, seen, err := l.Level(ctx, sku)
		if err != nil {
			return nil, false, err
		}
		places, known = append(places, Place{l.location, level}), known || seen
	}
	return places, known, nil
}

// Levels reads the free quantities of SKUs over all locations.
func (v *Inventory) Levels(ctx context.Context, skus []string) (map[string]int64, error) {
	var total map[string]int64
	for _, l := range v.ledgers {
		free, err := l.Levels(ctx, skus)
		if err != nil {
			return nil, err
		}
		for sku, n := range total {
			free[sku] += n
		}
		total = free
	}
	return total, nil
}

// Adjust is Ledger.Adjust at one of the locations, with ids that hold for all of them. Two first uses of
// an id at the same moment at different locations are not told apart.
func (v *Inventory) Adjust(ctx context.Context, at *Ledger, a Adjustment) (Receipt, error) {
	for _, l := range v.ledgers {
		if l == at {
			continue
		}
		if _, made, err := l.Receipt(ctx, a.ID); err != nil {
			return Receipt{}, err
		} else if made {
			return Receipt{}, errReused
		}
	}
	return at.Adjust(ctx, a)
}

// Undecided gives the orders whose holds are past their time, see Ledger.Undecided.
func (v *Inventory) Undecided(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	all := map[string]time.Time{}
	for _, l := range v.ledgers {
		due, err := l.Undecided(ctx, now)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, due)
	}
	return all, nil
}

// History lists a SKU's events at all locations, newest first. before has, by location, the mark of the event
// that was listed last; next continues after this page.
func (v *Inventory) History(ctx context.Context, sku string, before map[string]commitlog.Mark, limit int) (entries []Entry, next map[string]commitlog.Mark, err error) {
	pages := make([][]Entry, len(v.ledgers))
	for i, l := range v.ledgers {
		if before[l.location].Seq == 1 {
			continue // listed to its end
		}
		if pages[i], err = l.History(ctx, sku, before[l.location], limit+1); err != nil {
			return nil, nil, err
		}
	}
	next = maps.Clone(before)
	if next == nil {
		next = map[string]commitlog.Mark{}
	}
	for {
		latest := -1 // a location's own order stays, whatever its clock says
		for i, page := range pages {
			if len(page) > 0 && (latest < 0 || page[0].At.After(pages[latest][0].At)) {
				latest = i
			}
		}
		switch {
		case latest < 0:
			return entries, nil, nil
		case len(entries) == limit:
			return entries, next, nil
		}
		e := pages[latest][0]
		pages[latest] = pages[latest][1:]
		entries, next[e.Location] = append(entries, e), e.mark
	}
}
