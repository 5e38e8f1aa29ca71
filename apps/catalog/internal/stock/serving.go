package stock

import (
	"context"
	"maps"
	"slices"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Reserve holds stock for an order at one or several locations (rules 1–4 and 9). With several, a refusal
// stands for good: a repetition gets it again. Problems: out-of-stock (409, lines).
func (v *Inventory) Reserve(ctx context.Context, order string, lines []contract.Line, expiresAt time.Time) (Hold, error) {
	if len(v.ledgers) == 1 {
		return v.ledgers[0].Reserve(ctx, order, lines, expiresAt)
	}
	wanted, _, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	var holds []Hold
	left := wanted
	for i, l := range v.ledgers {
		how := part
		if i == len(v.ledgers)-1 {
			how = rest
		}
		h, _, err := l.hold(ctx, order, left, sum(wanted, left, -1), expiresAt, how)
		if err != nil {
			return Hold{}, err
		}
		if h.Status == Released {
			return v.giveUp(ctx, order)
		}
		holds = append(holds, h)
		if left = h.Rest; len(left) == 0 { // as recorded: a repetition takes the same way
			break
		}
	}
	return joined(holds), nil
}

// giveUp frees what an order that was refused, or released meanwhile, still holds elsewhere. A refusal is told as
// it was decided, the first time and ever after.
func (v *Inventory) giveUp(ctx context.Context, order string) (Hold, error) {
	h, err := v.Release(ctx, order)
	if err == nil && len(h.Short) > 0 {
		return Hold{}, outOfStock(h.Short)
	}
	return h, err
}

// Commit keeps an order's holds for good. Problems: not-found (404), invalid-transition (409) when it was
// released, or when a reservation over several locations was interrupted and is not complete.
func (v *Inventory) Commit(ctx context.Context, order string) (Hold, error) {
	if len(v.ledgers) > 1 {
		holds, err := v.holds(ctx, order)
		if err != nil {
			return Hold{}, err
		}
		if v.interrupted(holds) {
			return Hold{}, refused("Not all of the order is reserved.", joined(slices.Collect(maps.Values(holds))))
		}
	}
	return v.each(ctx, order, func(l *Ledger, all Hold) (Hold, error) {
		if all.Status == Released { // somewhere: then nowhere may it be kept
			return Hold{}, refused("The hold was released.", all)
		}
		return l.Commit(ctx, order)
	})
}

// interrupted reports whether the last location that holds something left a rest to a further one.
func (v *Inventory) interrupted(holds map[*Ledger]Hold) bool {
	rest := false
	for _, l := range v.ledgers {
		if h, part := holds[l]; part {
			rest = h.Status == Held && len(h.Rest) > 0
		}
	}
	return rest
}

// Release frees what an order still holds, and makes a late reservation of it impossible, everywhere.
func (v *Inventory) Release(ctx context.Context, order string) (Hold, error) {
	holds := make([]Hold, len(v.ledgers))
	for i, l := range v.ledgers {
		var err error
		if holds[i], err = l.Release(ctx, order); err != nil {
			return Hold{}, err
		}
	}
	return joined(holds), nil
}

// Ship takes lines of a committed order off the shelves, in the order of the locations. Problems:
// not-found (404), invalid-transition (409), invalid-quantity (422).
func (v *Inventory) Ship(ctx context.Context, order, id string, lines []contract.Line) (Hold, error) {
	if len(v.ledgers) == 1 {
		return v.ledgers[0].Ship(ctx, order, id, lines)
	}
	// A commit that was interrupted has kept only some: nothing leaves before all is kept.
	if all, _, err := v.Hold(ctx, order); err != nil || all.Status == Held {
		if err == nil {
			err = refused("Only what is committed can be shipped.", all)
		}
		return Hold{}, err
	}
	return v.spread(ctx, order, shipmentID(id), lines, func(h Hold) map[string]int64 { return h.Lines },
		func(l *Ledger, share []contract.Line) (Hold, error) { return l.Ship(ctx, order, id, share) })
}

// Return puts shipped lines back on the shelves that they came from. Problems as in Ship.
func (v *Inventory) Return(ctx context.Context, order, id string, lines []contract.Line) (Hold, error) {
	if len(v.ledgers) == 1 {
		return v.ledgers[0].Return(ctx, order, id, lines)
	}
	return v.spread(ctx, order, returnID(id), lines, func(h Hold) map[string]int64 { return h.Shipped },
		func(l *Ledger, share []contract.Line) (Hold, error) { return l.Return(ctx, order, id, share) })
}

// spread divides lines among the locations that have them. What a repetition finds done counts as done.
func (v *Inventory) spread(ctx context.Context, order, key string, lines []contract.Line, has func(Hold) map[string]int64, do func(*Ledger, []contract.Line) (Hold, error)) (Hold, error) {
	left, _, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	holds, err := v.holds(ctx, order)
	if err != nil {
		return Hold{}, err
	}
	for _, h := range holds {
		left = sum(left, h.Done[key], -1)
	}
	shares, all := map[*Ledger][]contract.Line{}, joined(slices.Collect(maps.Values(holds)))
	for _, sku := range sorted(left) {
		if left[sku] > has(all)[sku] {
			if all.Status == Released && len(has(all)) == 0 {
				return Hold{}, refused("The hold was released.", all)
			}
			return Hold{}, tooMuch(sku, has(all)[sku])
		}
		for _, l := range v.ledgers {
			if n := min(left[sku], has(holds[l])[sku]); n > 0 && holds[l].Done[key] == nil {
				shares[l] = append(shares[l], contract.Line{SKU: sku, Quantity: n})
				left[sku] -= n
			}
		}
	}
	for _, l := range v.ledgers {
		if len(shares[l]) > 0 {
			if holds[l], err = do(l, shares[l]); err != nil {
				return Hold{}, err
			}
		}
	}
	return joined(slices.Collect(maps.Values(holds))), nil
}

// each calls do for every location that takes part in the order, in their order, with what the order
// holds over all of them, and joins the results.
func (v *Inventory) each(ctx context.Context, order string, do func(l *Ledger, all Hold) (Hold, error)) (Hold, error) {
	if len(v.ledgers) == 1 {
		return do(v.ledgers[0], Hold{})
	}
	holds, err := v.holds(ctx, order)
	if err != nil {
		return Hold{}, err
	}
	all := joined(slices.Collect(maps.Values(holds)))
	for _, l := range v.ledgers {
		if _, part := holds[l]; part {
			if holds[l], err = do(l, all); err != nil {
				return Hold{}, err
			}
		}
	}
	return joined(slices.Collect(maps.Values(holds))), nil
}

// holds reads the order's holds. Problems: not-found (404) if there are none.
func (v *Inventory) holds(ctx context.Context, order string) (map[*Ledger]Hold, error) {
	holds := map[*Ledger]Hold{}
	for _, l := range v.ledgers {
		h, ok, err := l.Hold(ctx, order)
		if err != nil {
			return nil, err
		}
		if ok {
			holds[l] = h
		}
	}
	if len(holds) == 0 {
		return nil, fault.Missing("reservation")
	}
	return holds, nil
}

// Hold reads an order's reservation over all locations.
func (v *Inventory) Hold(ctx context.Context, order string) (Hold, bool, error) {
	holds, err := v.holds(ctx, order)
	if fault.Is(err, "not-found") {
		return Hold{}, false, nil
	}
	return joined(slices.Collect(maps.Values(holds))), err == nil, err
}

// joined is what the holds of one order come to. One that is released has released the order; it is
// committed when all are.
func joined(holds []Hold) Hold {
	all := Hold{Status: Committed}
	for _, h := range holds {
		all.Lines, all.Shipped = sum(all.Lines, h.Lines, 1), sum(all.Shipped, h.Shipped, 1)
		for key, lines := range h.Done {
			all.Done = with(all.Done, key, sum(all.Done[key], lines, 1))
		}
		if h.Status == Released || all.Status == Committed {
			all.Status = h.Status
		}
		if h.ExpiresAt.After(all.ExpiresAt) {
			all.ExpiresAt = h.ExpiresAt
		}
		all.Short = append(all.Short, h.Short...)
	}
	return all
}
