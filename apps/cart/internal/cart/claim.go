package cart

import (
	"slices"
	"strconv"

	"haberdash/internal/fault"
)

// Claim gives a guest's cart to the user, who then merges it into their own. It fails with not-found
// when the cart has an owner or another user has claimed it; the same user may claim it again.
func (c *Cart) Claim(user string) error {
	switch c.s.ClaimedBy {
	case user:
		return nil
	case "":
		if c.Guest() {
			c.touch()
			c.s.ClaimedBy = user
			return nil
		}
	}
	return fault.Missing("cart")
}

// ClaimedBy is the user who claimed a guest's cart, or empty.
func (c *Cart) ClaimedBy() string { return c.s.ClaimedBy }

// CanMerge refuses two carts that hold lines in different currencies: currency-mismatch (409).
func (c *Cart) CanMerge(guest *Cart) error {
	if len(c.s.Lines) > 0 && len(guest.s.Lines) > 0 && c.s.Currency != guest.s.Currency {
		return fault.New(fault.Conflict, "currency-mismatch", "Your cart is in %s, this one in %s. Empty one of them first.", c.s.Currency, guest.s.Currency).
			With("currency", c.s.Currency)
	}
	return nil
}

// Merge adds what is in a guest's cart, known as id, to this one, once (rule 4). Quantities of a SKU add
// up, to the limit; lines beyond the limit stay out; both are warned of. compatible says whether a coupon
// goes together with those that the cart has. This cart's address and option win.
func (c *Cart) Merge(id string, guest *Cart, compatible func(code string, has []string) bool) ([]Warning, error) {
	if slices.Contains(c.s.Merged, id) {
		return nil, nil
	}
	if err := c.CanMerge(guest); err != nil {
		return nil, err
	}
	c.touch()
	c.s.Merged = remember(c.s.Merged, id)
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
				warnings = append(warnings, Warning{QuantityReduced, l.SKU, "There can be at most " + strconv.Itoa(MaxQuantity) + " of " + l.Title + " in a cart."})
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

// Empty takes everything out of a cart that was merged into another.
func (c *Cart) Empty() {
	if len(c.s.Lines)+len(c.s.Coupons) > 0 || c.s.Address != nil {
		c.touch()
		c.s.Lines, c.s.Coupons, c.s.Address, c.s.Option = nil, nil, nil, ""
	}
}

// Quantity of a SKU.
type Quantity struct {
	SKU      string
	Quantity int64
}

// Ordered takes out what a confirmed order of this cart's version holds, once (rule 6). If the cart has
// changed since, the ordered quantities leave it and the rest stays; else everything leaves it but the
// address.
func (c *Cart) Ordered(orderID string, version int64, ordered []Quantity) {
	if c.s.Closed || slices.Contains(c.s.Orders, orderID) {
		return
	}
	unchanged := c.s.Version == version && !c.changed
	c.touch()
	c.s.Orders = remember(c.s.Orders, orderID)
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
