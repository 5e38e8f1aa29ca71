package cart

import (
	"slices"
	"strconv"

	"haberdash/internal/fault"
)

// Claim marks a guest's cart as claimed by the user, who then merges it into their own (rule 4). The same user may
// claim it again. Error: not-found if the cart has an owner or another user has claimed it.
func (c *Cart) Claim(user string) error {
	if err := c.CheckClaim(user); err != nil {
		return err
	}
	if c.s.ClaimedBy == "" {
		c.markChanged()
		c.s.ClaimedBy = user
	}
	return nil
}

// CheckClaim refuses a user who may not claim the cart. Error: as Claim.
func (c *Cart) CheckClaim(user string) error {
	if c.s.ClaimedBy == user || (c.s.ClaimedBy == "" && c.Guest()) {
		return nil
	}
	return fault.Missing("cart")
}

// ClaimedBy returns the id of the user who claimed a guest's cart, empty if nobody did.
func (c *Cart) ClaimedBy() string { return c.s.ClaimedBy }

// CheckMerge refuses to merge a guest's cart that has lines in another currency: currency-mismatch (409).
func (c *Cart) CheckMerge(guest *Cart) error {
	if len(c.s.Lines) > 0 && len(guest.s.Lines) > 0 && c.s.Currency != guest.s.Currency {
		return fault.New(fault.Conflict, "currency-mismatch",
			"Your cart is in %s, this one in %s. Empty one of them first.", c.s.Currency, guest.s.Currency).
			With("currency", c.s.Currency)
	}
	return nil
}

// Merge adds the contents of a guest's cart to this one, once for each id (rule 4). Quantities of a SKU add up. It
// returns warnings about quantities and lines beyond the limits, which are left out. compatible reports whether a
// coupon can be combined with those of the cart. The cart's own address and option take precedence over the guest's.
// Error: as CheckMerge.
func (c *Cart) Merge(id string, guest *Cart, compatible func(code string, has []string) bool) ([]Warning, error) {
	if slices.Contains(c.s.Merged, id) {
		return nil, nil
	}
	if err := c.CheckMerge(guest); err != nil {
		return nil, err
	}
	c.markChanged()
	c.s.Merged = appendRecent(c.s.Merged, id)
	if len(c.s.Lines) == 0 && len(guest.s.Lines) > 0 {
		c.s.Currency = guest.s.Currency
	}
	warnings := c.mergeLines(guest.s.Lines)
	coupons := slices.Clone(c.s.Coupons)
	for _, code := range guest.s.Coupons {
		if !slices.Contains(coupons, code) && len(coupons) < maxCoupons && compatible(code, coupons) {
			coupons = append(coupons, code)
		}
	}
	c.s.Coupons = coupons
	if c.s.Address == nil {
		c.s.Address, c.s.Option = guest.s.Address, guest.s.Option
	}
	return warnings, nil
}

func (c *Cart) mergeLines(more []Line) (warnings []Warning) {
	c.s.Lines = slices.Clone(c.s.Lines)
	for _, l := range more {
		i := c.line(l.SKU)
		switch {
		case i >= 0:
			sum := c.s.Lines[i].Quantity + l.Quantity
			if sum > MaxQuantity {
				warnings = append(warnings, Warning{QuantityReduced, l.SKU,
					"There can be at most " + strconv.Itoa(MaxQuantity) + " of " + l.Title + " in a cart."})
			}
			c.s.Lines[i].Quantity = min(sum, MaxQuantity)
		case len(c.s.Lines) < MaxLines:
			c.s.Lines = append(c.s.Lines, l)
		default:
			warnings = append(warnings, Warning{LineDropped, l.SKU, "There was no room for " + l.Title + " in your cart."})
		}
	}
	return warnings
}

// Clear removes everything from a cart that was merged into another.
func (c *Cart) Clear() {
	if len(c.s.Lines)+len(c.s.Coupons) > 0 || c.s.Address != nil {
		c.markChanged()
		c.s.Lines, c.s.Coupons, c.s.Address, c.s.Option = nil, nil, nil, ""
	}
}

// Quantity of a SKU.
type Quantity struct {
	SKU      string
	Quantity int64
}

// RemoveOrdered removes the lines of a confirmed order, once for each order (rule 6). version is the cart's version
// that the order was placed from. If the cart has changed since, the ordered quantities are removed and the rest
// stays; otherwise everything but the address is removed.
func (c *Cart) RemoveOrdered(orderID string, version int64, ordered []Quantity) {
	if c.s.Closed || slices.Contains(c.s.Orders, orderID) {
		return
	}
	unchanged := c.s.Version == version && !c.changed
	c.markChanged()
	c.s.Orders = appendRecent(c.s.Orders, orderID)
	lines := slices.Clone(c.s.Lines)
	for _, q := range ordered {
		if i := slices.IndexFunc(lines, func(l Line) bool { return l.SKU == q.SKU }); i >= 0 && q.Quantity > 0 {
			lines[i].Quantity = max(0, lines[i].Quantity-q.Quantity)
		}
	}
	c.s.Lines = slices.DeleteFunc(lines, func(l Line) bool { return l.Quantity == 0 })
	if unchanged || len(c.s.Lines) == 0 {
		c.s.Lines, c.s.Coupons, c.s.Option = nil, nil, ""
	}
}
