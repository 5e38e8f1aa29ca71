// Package pricing computes the price of a cart: promotions, shipping and tax on lines of one currency.
//
// The rules:
//
//  1. Prices are net, tax is added: total = subtotal − discount + shipping + tax.
//  2. The discount is divided among the lines in proportion to their totals, to the last minor unit (the largest
//     remainder method). It never exceeds the subtotal.
//  3. Tax is computed for each line after its discount, and for shipping, and rounded half away from zero each time.
//     The cart's tax is the sum of these. Lines that are not taxable bear none, and shipping bears tax only if a line
//     does.
//  4. Without a country there is neither tax nor shipping: both are 0.
//  5. Shipping is charged if a line needs it. Goods that reach the free-shipping threshold after discount are shipped
//     free of charge with the standard option.
//  6. Sums balance: the lines' totals, discounts and taxes add up to the cart's. No amount is negative.
package pricing

import (
	"errors"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Line is a quantity of one SKU at a net unit price.
type Line struct {
	Quantity  int64 // from 1
	UnitPrice money.Money
	Taxable   bool
	Shipped   bool // needs shipping
}

// Order is the input of Rules.Price. Coupons are canonical codes; unknown codes have no effect.
type Order struct {
	Currency string
	Lines    []Line
	Coupons  []string
	Country  string // ISO 3166-1 alpha-2, empty when there is no address yet
	Option   string // of shipping; the cheapest is used if it is empty or not on offer
}

// PricedLine is a line with its share of discount and tax. Total is quantity × unit price, before both.
type PricedLine struct {
	Total, Discount, Tax money.Money
}

// Quote is the price of an Order. Its lines have the same sequence as the order's.
type Quote struct {
	Lines       []PricedLine
	Subtotal    money.Money
	Discount    money.Money // not negative
	Shipping    money.Money
	ShippingTax money.Money // part of Tax
	Tax         money.Money
	Total       money.Money
	Option      string   // of shipping; empty without a country or lines
	Options     []Option // on offer; empty without a country or lines
	Unused      []string // coupons without an effect on this order
}

// Price computes the price of an order. Errors: amount-out-of-range (422) if an amount overflows, and an internal error
// if a line has another currency than the order.
func (r Rules) Price(o Order) (Quote, error) {
	q := Quote{Lines: make([]PricedLine, len(o.Lines))}
	for _, m := range []*money.Money{&q.Subtotal, &q.Discount, &q.Shipping, &q.ShippingTax, &q.Tax, &q.Total} {
		m.Currency = o.Currency
	}
	c := calculator{}
	for i, l := range o.Lines {
		q.Lines[i].Total = c.multiply(l.UnitPrice, l.Quantity)
		q.Subtotal = c.add(q.Subtotal, q.Lines[i].Total)
	}
	if c.err != nil {
		return Quote{}, outOfRange(c.err)
	}
	discounted := r.addDiscounts(o, &q)
	r.addShipping(o, &q, discounted)
	addTaxes(o, &q, &c)
	q.Total = c.add(c.add(discounted, q.Shipping), q.Tax)
	if c.err != nil {
		return Quote{}, outOfRange(c.err)
	}
	return q, nil
}

// addDiscounts sets the discounts and returns the subtotal after them.
func (r Rules) addDiscounts(o Order, q *Quote) (discounted money.Money) {
	left := q.Subtotal.Amount
	for _, code := range o.Coupons {
		p, ok := r.promotion(code)
		off := min(p.discount(q.Subtotal), left)
		left -= off
		if !ok || (off == 0 && !p.FreeShipping) {
			q.Unused = append(q.Unused, code)
		}
	}
	q.Discount.Amount = q.Subtotal.Amount - left
	weights := make([]int64, len(q.Lines))
	for i, l := range q.Lines {
		weights[i] = l.Total.Amount
	}
	for i, share := range q.Discount.Split(weights) {
		q.Lines[i].Discount = share
	}
	return money.New(left, o.Currency)
}

// addShipping sets the options on offer, and the chosen one or else the cheapest.
func (r Rules) addShipping(o Order, q *Quote, discounted money.Money) {
	if o.Country == "" || len(o.Lines) == 0 {
		return
	}
	q.Options = r.options(o, discounted)
	chosen := q.Options[0]
	for _, option := range q.Options {
		if option.ID == o.Option {
			chosen = option
			break
		}
		if option.Price.Amount < chosen.Price.Amount {
			chosen = option
		}
	}
	q.Option, q.Shipping = chosen.ID, chosen.Price
}

func addTaxes(o Order, q *Quote, c *calculator) {
	rate, taxed := taxRates[o.Country], false
	for i, l := range o.Lines {
		line := &q.Lines[i]
		line.Tax = money.New(0, o.Currency)
		if l.Taxable {
			taxed = true
			line.Tax = money.New(line.Total.Amount-line.Discount.Amount, o.Currency).Percent(rate)
		}
		q.Tax = c.add(q.Tax, line.Tax)
	}
	if taxed {
		q.ShippingTax = q.Shipping.Percent(rate)
		q.Tax = c.add(q.Tax, q.ShippingTax)
	}
}

// calculator adds and multiplies, and collects the errors.
type calculator struct{ err error }

func (c *calculator) add(a, b money.Money) money.Money {
	m, err := a.Add(b)
	c.err = errors.Join(c.err, err)
	return m
}

func (c *calculator) multiply(a money.Money, n int64) money.Money {
	m, err := a.Times(n)
	c.err = errors.Join(c.err, err)
	return m
}

func outOfRange(err error) error {
	if errors.Is(err, money.ErrOverflow) {
		return fault.New(fault.Invalid, "amount-out-of-range", "The cart is worth more than can be counted.").Because(err)
	}
	return err
}
