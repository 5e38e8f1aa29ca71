package allocation

import (
	"context"
	"time"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/contract"
)

// Reserve holds stock for an order at one or several locations (rules 1 to 4 and 9). With several locations a refusal
// is final: a repetition gets it again. Problem: out-of-stock (409, lines).
func (s *Locations) Reserve(
	ctx context.Context, order string, lines []contract.Line, expiresAt time.Time,
) (stock.Hold, error) {
	if len(s.ledgers) == 1 {
		return s.ledgers[0].Reserve(ctx, order, lines, expiresAt)
	}
	wanted, err := stock.Sum(lines)
	if err != nil {
		return stock.Hold{}, err
	}
	var holds []stock.Hold
	left := wanted
	for i, l := range s.ledgers {
		share := ledger.Share{Lines: left, Elsewhere: stock.Subtract(wanted, left), Last: i == len(s.ledgers)-1}
		h, err := l.ReserveShare(ctx, order, share, expiresAt)
		if err != nil {
			return stock.Hold{}, err
		}
		if h.Status == stock.Released {
			return s.refuse(ctx, order)
		}
		holds = append(holds, h)
		if left = h.Rest; len(left) == 0 { // as it is recorded: a repetition asks the same locations
			break
		}
	}
	return join(holds), nil
}

// refuse frees what an order that was refused, or released meanwhile, still holds at other locations. It returns the
// refusal as it was recorded.
func (s *Locations) refuse(ctx context.Context, order string) (stock.Hold, error) {
	h, err := s.Release(ctx, order)
	if err == nil && len(h.Short) > 0 {
		return stock.Hold{}, ledger.OutOfStock(h.Short)
	}
	return h, err
}

// Commit keeps an order's holds for good. Problems: not-found (404); invalid-transition (409) if one was released, or
// if the reservation was interrupted and is not complete.
func (s *Locations) Commit(ctx context.Context, order string) (stock.Hold, error) {
	if len(s.ledgers) == 1 {
		return s.ledgers[0].Commit(ctx, order)
	}
	holds, err := s.holds(ctx, order)
	if err != nil {
		return stock.Hold{}, err
	}
	all := holds.joined()
	switch {
	case s.interrupted(holds):
		return stock.Hold{}, ledger.InvalidTransition("Not all of the order is reserved.", all)
	case all.Status == stock.Released: // at one location, so no other may keep its hold
		return stock.Hold{}, ledger.InvalidTransition("The hold was released.", all)
	}
	for _, l := range s.ledgers {
		if _, found := holds[l]; found {
			if holds[l], err = l.Commit(ctx, order); err != nil {
				return stock.Hold{}, err
			}
		}
	}
	return holds.joined(), nil
}

// Release frees what an order still holds, and makes a late reservation of it impossible, at all locations.
func (s *Locations) Release(ctx context.Context, order string) (stock.Hold, error) {
	holds := make([]stock.Hold, len(s.ledgers))
	for i, l := range s.ledgers {
		var err error
		if holds[i], err = l.Release(ctx, order); err != nil {
			return stock.Hold{}, err
		}
	}
	return join(holds), nil
}

// Ship takes lines of a committed order out of the stock, in the order of the locations. Problems: not-found (404),
// invalid-transition (409), invalid-quantity (422).
func (s *Locations) Ship(ctx context.Context, order, id string, lines []contract.Line) (stock.Hold, error) {
	if len(s.ledgers) == 1 {
		return s.ledgers[0].Ship(ctx, order, id, lines)
	}
	// A commit that was interrupted has kept only some holds: nothing is shipped before it is complete.
	if all, _, err := s.Hold(ctx, order); err != nil || all.Status == stock.Held {
		if err == nil {
			err = ledger.InvalidTransition("Only what is committed can be shipped.", all)
		}
		return stock.Hold{}, err
	}
	d := division{
		order: order, doneKey: stock.ShipmentKey(id),
		has: func(h stock.Hold) map[string]int64 { return h.Lines },
		do: func(l *ledger.Ledger, share []contract.Line) (stock.Hold, error) {
			return l.Ship(ctx, order, id, share)
		},
	}
	return s.divide(ctx, d, lines)
}

// Return puts shipped lines back into the stock that they came from. Problems: those of Ship.
func (s *Locations) Return(ctx context.Context, order, id string, lines []contract.Line) (stock.Hold, error) {
	if len(s.ledgers) == 1 {
		return s.ledgers[0].Return(ctx, order, id, lines)
	}
	d := division{
		order: order, doneKey: stock.ReturnKey(id),
		has: func(h stock.Hold) map[string]int64 { return h.Shipped },
		do: func(l *ledger.Ledger, share []contract.Line) (stock.Hold, error) {
			return l.Return(ctx, order, id, share)
		},
	}
	return s.divide(ctx, d, lines)
}

// division is a shipment or return that is divided among the locations of an order.
type division struct {
	order   string
	doneKey string                                                    // in Hold.Done
	has     func(stock.Hold) map[string]int64                         // the lines of a hold that can be taken
	do      func(*ledger.Ledger, []contract.Line) (stock.Hold, error) // does a location's share
}

// divide divides lines among the locations that have them. The share of a location that has done it before, because the
// call is a repetition, is not done again.
func (s *Locations) divide(ctx context.Context, d division, lines []contract.Line) (stock.Hold, error) {
	left, err := stock.Sum(lines)
	if err != nil {
		return stock.Hold{}, err
	}
	holds, err := s.holds(ctx, d.order)
	if err != nil {
		return stock.Hold{}, err
	}
	for _, h := range holds {
		left = stock.Subtract(left, h.Done[d.doneKey])
	}
	shares, err := s.shares(holds, d, left)
	if err != nil {
		return stock.Hold{}, err
	}
	for _, l := range s.ledgers {
		if len(shares[l]) > 0 {
			if holds[l], err = d.do(l, shares[l]); err != nil {
				return stock.Hold{}, err
			}
		}
	}
	return holds.joined(), nil
}

// shares divides the lines that are left among the locations.
func (s *Locations) shares(
	holds orderHolds, d division, left map[string]int64,
) (map[*ledger.Ledger][]contract.Line, error) {
	shares, all := map[*ledger.Ledger][]contract.Line{}, holds.joined()
	has := d.has(all)
	for _, sku := range stock.SKUs(left) {
		if left[sku] > has[sku] {
			if all.Status == stock.Released && len(has) == 0 {
				return nil, ledger.InvalidTransition("The hold was released.", all)
			}
			return nil, ledger.TooMany(sku, has[sku])
		}
		for _, l := range s.ledgers {
			if n := min(left[sku], d.has(holds[l])[sku]); n > 0 && holds[l].Done[d.doneKey] == nil {
				shares[l] = append(shares[l], contract.Line{SKU: sku, Quantity: n})
				left[sku] -= n
			}
		}
	}
	return shares, nil
}
