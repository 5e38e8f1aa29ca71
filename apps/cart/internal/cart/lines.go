package cart

import (
	"math"
	"slices"
	"strconv"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Offer is the catalogue's current price and stock of a SKU.
type Offer struct {
	SKU       string
	Title     string
	Price     money.Money // net, per unit
	Available int64
	Taxable   bool
	Shipped   bool // needs shipping
}

// Warning is a message to the buyer. SKU is empty if it concerns the whole cart.
type Warning struct {
	Code    string
	SKU     string
	Message string
}

// Codes of the warnings.
const (
	PriceChanged    = "price-changed"
	NotEnoughStock  = "not-enough-stock"
	NotSold         = "not-sold"
	QuantityReduced = "quantity-reduced"
	LineDropped     = "line-dropped"
)

// ParseQuantity reads a JSON value as a quantity from 0 to MaxQuantity. Error: invalid-quantity (422) for any other
// value, such as a string, null, a fraction or a negative number.
func ParseQuantity(json string) (int64, error) {
	n, err := strconv.ParseFloat(json, 64)
	if err != nil || n != math.Trunc(n) || n < 0 || n > MaxQuantity {
		return 0, fault.New(fault.Invalid, "invalid-quantity",
			"The quantity must be a whole number from 0 to %d.", MaxQuantity).
			WithField("quantity", "must be a whole number from 0 to "+strconv.Itoa(MaxQuantity))
	}
	return int64(n), nil
}

// SetQuantity sets the quantity of a line, which is added if the cart has none of the SKU. The quantity is from 1 to
// MaxQuantity. Errors: currency-mismatch (422), too-many-lines (422).
func (c *Cart) SetQuantity(o Offer, quantity int64) error {
	if o.Price.Currency != c.s.Currency {
		return fault.New(fault.Invalid, "currency-mismatch",
			"The cart is in %s, the article is sold in %s.", c.s.Currency, o.Price.Currency).
			WithField("sku", "is sold in another currency than the cart's").With("currency", c.s.Currency)
	}
	i := c.line(o.SKU)
	if i < 0 && len(c.s.Lines) >= MaxLines {
		return fault.New(fault.Invalid, "too-many-lines", "A cart holds at most %d different articles.", MaxLines).
			WithField("sku", "is one line too many")
	}
	lines := slices.Clone(c.s.Lines)
	if i < 0 {
		c.markChanged()
		c.s.Lines = append(lines, Line{o.SKU, o.Title, quantity, o.Price, o.Taxable, o.Shipped})
	} else if lines[i].Quantity != quantity {
		c.markChanged()
		lines[i].Quantity = quantity
		c.s.Lines = lines
	}
	return nil
}

// Remove removes a line. A SKU that the cart does not have changes nothing.
func (c *Cart) Remove(sku string) {
	if i := c.line(sku); i >= 0 {
		c.markChanged()
		c.s.Lines = slices.Delete(slices.Clone(c.s.Lines), i, i+1)
	}
}

func (c *Cart) line(sku string) int {
	return slices.IndexFunc(c.s.Lines, func(l Line) bool { return l.SKU == sku })
}

// PriceChange is a line whose unit price differs from the one last shown.
type PriceChange struct {
	SKU, Title string
	Was, Now   money.Money
}

// Warning returns the warning that tells the buyer of the change.
func (p PriceChange) Warning() Warning {
	return Warning{PriceChanged, p.SKU, p.Title + " was " + p.Was.String() + " and is now " + p.Now.String() + "."}
}

// Refresh updates the lines from the offers (rule 5) and returns the prices that changed. Lines that are no longer
// sold stay as they are.
func (c *Cart) Refresh(offers map[string]Offer) (changes []PriceChange) {
	lines := slices.Clone(c.s.Lines)
	for i := range lines {
		l := &lines[i]
		o, ok := c.offerFor(l.SKU, offers)
		if !ok {
			continue
		}
		if o.Price != l.UnitPrice {
			changes = append(changes, PriceChange{l.SKU, o.Title, l.UnitPrice, o.Price})
		}
		*l = Line{l.SKU, o.Title, l.Quantity, o.Price, o.Taxable, o.Shipped}
	}
	if !slices.Equal(lines, c.s.Lines) {
		c.markChanged()
		c.s.Lines = lines
	}
	return changes
}

// offerFor finds the offer of a SKU in the cart's currency.
func (c *Cart) offerFor(sku string, offers map[string]Offer) (Offer, bool) {
	o, ok := offers[sku]
	return o, ok && o.Price.Currency == c.s.Currency
}

// StockWarnings warns of lines that are no longer sold in the cart's currency or are short of stock.
func (c *Cart) StockWarnings(offers map[string]Offer) (warnings []Warning) {
	for _, l := range c.s.Lines {
		o, ok := c.offerFor(l.SKU, offers)
		switch {
		case !ok:
			warnings = append(warnings, Warning{NotSold, l.SKU, l.Title + " is no longer sold. Remove it to continue."})
		case o.Available <= 0:
			warnings = append(warnings, Warning{NotEnoughStock, l.SKU, l.Title + " is out of stock."})
		case o.Available < l.Quantity:
			warnings = append(warnings, Warning{NotEnoughStock, l.SKU,
				"Only " + strconv.FormatInt(o.Available, 10) + " of " + l.Title + " are available."})
		}
	}
	return warnings
}

// Discontinued lists the SKUs that are no longer sold in the cart's currency.
func (c *Cart) Discontinued(offers map[string]Offer) (skus []string) {
	for _, l := range c.s.Lines {
		if _, ok := c.offerFor(l.SKU, offers); !ok {
			skus = append(skus, l.SKU)
		}
	}
	return skus
}
