package cart

import (
	"math"
	"slices"
	"strconv"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Offer is what the catalogue says of a SKU now.
type Offer struct {
	SKU       string
	Title     string
	Price     money.Money // net, per unit
	Available int64
	Taxable   bool
	Shipped   bool // needs shipping
}

// Warning tells the buyer of something that they should look at. SKU is empty where it concerns the
// whole cart.
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

// ParseQuantity reads a JSON value as a quantity from 0 to MaxQuantity. Whatever else it is, a string,
// null, a fraction, something negative or enormous, fails with invalid-quantity (422).
func ParseQuantity(json string) (int64, error) {
	n, err := strconv.ParseFloat(json, 64)
	if err != nil || n != math.Trunc(n) || n < 0 || n > MaxQuantity {
		return 0, fault.New(fault.Invalid, "invalid-quantity", "The quantity must be a whole number from 0 to %d.", MaxQuantity).
			WithField("body.quantity", "must be a whole number from 0 to "+strconv.Itoa(MaxQuantity))
	}
	return int64(n), nil
}

// SetQuantity makes the cart hold so many of the offer, in the line that is there or a new last one; the
// quantity is from 1 to MaxQuantity. It fails with currency-mismatch (422) and, for one line too many,
// too-many-lines (422).
func (c *Cart) SetQuantity(o Offer, quantity int64) error {
	if o.Price.Currency != c.s.Currency {
		return fault.New(fault.Invalid, "currency-mismatch", "The cart is in %s, the article is sold in %s.", c.s.Currency, o.Price.Currency).
			WithField("path.sku", "is sold in another currency than the cart's").With("currency", c.s.Currency)
	}
	i := c.line(o.SKU)
	if i < 0 && len(c.s.Lines) >= MaxLines {
		return fault.New(fault.Invalid, "too-many-lines", "A cart holds at most %d different articles.", MaxLines).
			WithField("path.sku", "is one line too many")
	}
	lines := slices.Clone(c.s.Lines)
	if i < 0 {
		c.touch()
		c.s.Lines = append(lines, Line{o.SKU, o.Title, quantity, o.Price, o.Taxable, o.Shipped})
	} else if lines[i].Quantity != quantity {
		c.touch()
		lines[i].Quantity = quantity
		c.s.Lines = lines
	}
	return nil
}

// Remove drops a line; one that is not there changes nothing.
func (c *Cart) Remove(sku string) {
	if i := c.line(sku); i >= 0 {
		c.touch()
		c.s.Lines = slices.Delete(slices.Clone(c.s.Lines), i, i+1)
	}
}

func (c *Cart) line(sku string) int {
	return slices.IndexFunc(c.s.Lines, func(l Line) bool { return l.SKU == sku })
}

// PriceChange is a line whose unit price is no longer the one last shown.
type PriceChange struct {
	SKU, Title string
	Was, Now   money.Money
}

// Warning is the change in a sentence.
func (p PriceChange) Warning() Warning {
	return Warning{PriceChanged, p.SKU, p.Title + " was " + p.Was.String() + " and is now " + p.Now.String() + "."}
}

// Refresh takes over what the offers say (rule 5) and tells which prices changed. Lines
// that are no longer sold stay as they are.
func (c *Cart) Refresh(offers map[string]Offer) (changes []PriceChange) {
	lines := slices.Clone(c.s.Lines)
	for i := range lines {
		l := &lines[i]
		o, ok := c.sold(l.SKU, offers)
		if !ok {
			continue
		}
		if o.Price != l.UnitPrice {
			changes = append(changes, PriceChange{l.SKU, o.Title, l.UnitPrice, o.Price})
		}
		*l = Line{l.SKU, o.Title, l.Quantity, o.Price, o.Taxable, o.Shipped}
	}
	if !slices.Equal(lines, c.s.Lines) {
		c.touch()
		c.s.Lines = lines
	}
	return changes
}

func (c *Cart) sold(sku string, offers map[string]Offer) (Offer, bool) {
	o, ok := offers[sku]
	return o, ok && o.Price.Currency == c.s.Currency
}

// Shortages warns of lines that are no longer sold in the cart's currency or are short of stock.
func (c *Cart) Shortages(offers map[string]Offer) (warnings []Warning) {
	for _, l := range c.s.Lines {
		o, ok := c.sold(l.SKU, offers)
		switch {
		case !ok:
			warnings = append(warnings, Warning{NotSold, l.SKU, l.Title + " is no longer sold. Take it out to go on."})
		case o.Available <= 0:
			warnings = append(warnings, Warning{NotEnoughStock, l.SKU, l.Title + " is out of stock."})
		case o.Available < l.Quantity:
			warnings = append(warnings, Warning{NotEnoughStock, l.SKU, "Only " + strconv.FormatInt(o.Available, 10) + " of " + l.Title + " can be had."})
		}
	}
	return warnings
}

// Vanished lists the lines that are no longer sold in the cart's currency.
func (c *Cart) Vanished(offers map[string]Offer) (skus []string) {
	for _, l := range c.s.Lines {
		if _, ok := c.sold(l.SKU, offers); !ok {
			skus = append(skus, l.SKU)
		}
	}
	return skus
}
