package allocation

import (
	"context"
	"maps"
	"slices"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/fault"
)

// Hold reads the hold of an order over all locations; found is false if there is none.
func (s *Locations) Hold(ctx context.Context, order string) (hold stock.Hold, found bool, err error) {
	holds, err := s.holds(ctx, order)
	switch {
	case fault.Is(err, "not-found"):
		return stock.Hold{}, false, nil
	case err != nil:
		return stock.Hold{}, false, err
	}
	return holds.joined(), true, nil
}

// orderHolds has the holds of one order by location.
type orderHolds map[*ledger.Ledger]stock.Hold

// holds reads the order's holds. Problem: not-found (404) if there are none.
//
// It reads the last location first. A reservation goes the other way, so one that is made meanwhile is seen from its
// first location on, and interrupted notices that its end is missing. Read in the same direction, its end would be seen
// without its beginning, and could be committed and shipped alone.
func (s *Locations) holds(ctx context.Context, order string) (orderHolds, error) {
	holds := orderHolds{}
	for _, l := range slices.Backward(s.ledgers) {
		h, found, err := l.Hold(ctx, order)
		if err != nil {
			return nil, err
		}
		if found {
			holds[l] = h
		}
	}
	if len(holds) == 0 {
		return nil, fault.Missing("reservation")
	}
	return holds, nil
}

func (h orderHolds) joined() stock.Hold { return join(slices.Collect(maps.Values(h))) }

// join joins the holds of one order. The order is released if one of them is, and committed if all are.
func join(holds []stock.Hold) stock.Hold {
	all := stock.Hold{Status: stock.Committed}
	for _, h := range holds {
		all.Lines, all.Shipped = stock.Add(all.Lines, h.Lines), stock.Add(all.Shipped, h.Shipped)
		for key, lines := range h.Done {
			all.Done = stock.With(all.Done, key, stock.Add(all.Done[key], lines))
		}
		if h.Status == stock.Released || all.Status == stock.Committed {
			all.Status = h.Status
		}
		if h.ExpiresAt.After(all.ExpiresAt) {
			all.ExpiresAt = h.ExpiresAt
		}
		all.Short = append(all.Short, h.Short...)
	}
	return all
}

// interrupted reports whether the last location with a hold has left lines to a further location, which has none yet.
func (s *Locations) interrupted(holds orderHolds) bool {
	rest := false
	for _, l := range s.ledgers {
		if h, found := holds[l]; found {
			rest = h.Status == stock.Held && len(h.Rest) > 0
		}
	}
	return rest
}
