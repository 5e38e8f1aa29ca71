// Package pricing says what a cart costs: promotions, shipping and tax over lines of one currency.
//
// The rules:
//
//  1. Prices are net: tax comes on top. total = subtotal − discount + shipping + tax.
//  2. The discount is shared over the lines in proportion to their totals, to the last minor unit (the
//     largest remainder method), and never exceeds the subtotal.
//  3. Tax is worked out for each line after its discount, and for shipping, and rounded half away from
//     zero each time; the cart's tax is the sum of these. Lines that are not taxable bear none, and
//     shipping bears some only where a line does.
//  4. Without a country there is neither tax nor shipping: both are 0.
//  5. Shipping is owed when a line needs it. Goods worth the free-shipping threshold after discount
//     travel free with the standard option.
//  6. Sums balance: the lines' totals, discounts and taxes add up to the cart's. Nothing is negative.
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

// Order is what to price. Coupons are canonical codes; those that the book does not know give nothing.
type Order struct {
	Currency string
	Lines    []Line
	Coupons  []string
	Country  string // ISO 3166-1 alpha-2, empty when there is no address yet
	Option   string // of shipping; empty, or not on offer, takes the cheapest
}

// PricedLine is a line with its share of discount and tax. Total is quantity × unit price, before both.
type PricedLine struct {
	Total, Discount, Tax money.Money
}

// Quote is the price of an Order; its lines are in the order's sequence.
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
	Unused      []string // coupons that give nothing to this order as it is
}

// Price prices the order by the book. It fails with amount-out-of-range (422) where money overflows,
// and with an internal error when a line has another currency than the order.
func (b Book) Price(o Order) (Quote, error) {
	q := Quote{Lines: make([]PricedLine, len(o.Lines))}
	for _, m := range []*money.Money{&q.Subtotal, &q.Discount, &q.Shipping, &q.ShippingTax, &q.Tax, &q.Total} {
		m.Currency = o.Currency
	}
	s := sum{}
	for i, l := range o.Lines {
		q.Lines[i].Total = s.times(l.UnitPrice, l.Quantity)
		q.Subtotal = s.add(q.Subtotal, q.Lines[i].Total)
	}
	if s.err != nil {
		return Quote{}, outOfRange(s.err)
	}
	goods := b.discount(o, &q)
	b.ship(o, &q, goods)
	taxes(o, &q, &s)
	q.Total = s.add(s.add(goods, q.Shipping), q.Tax)
	if s.err != nil {
		return Quote{}, outOfRange(s.err)
	}
	return q, nil
}

// discount fills in the discounts and gives the worth of the goods after them.
func (b Book) discount(o Order, q *Quote) money.Money {
	left := q.Subtotal.Amount
	for _, code := range o.Coupons {
		p, ok := b.find(code)
		off := min(p.amount(q.Subtotal), left)
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

func (b Book) ship(o Order, q *Quote, goods money.Money) {
	if o.Country == "" || len(o.Lines) == 0 {
		return
	}
	q.Options = b.options(o, goods)
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

func taxes(o Order, q *Quote, s *sum) {
	rate, taxed := taxRates[o.Country], false
	for i, l := range o.Lines {
		line := &q.Lines[i]
		line.Tax = money.New(0, o.Currency)
		if l.Taxable {
			taxed = true
			line.Tax = money.New(line.Total.Amount-line.Discount.Amount, o.Currency).Percent(rate)
		}
		q.Tax = s.add(q.Tax, line.Tax)
	}
	if taxed {
		q.ShippingTax = q.Shipping.Percent(rate)
		q.Tax = s.add(q.Tax, q.ShippingTax)
	}
}

// sum adds money and keeps the first error.
type sum struct{ err error }

func (s *sum) add(a, b money.Money) money.Money {
	m, err := a.Add(b)
	s.err = errors.Join(s.err, err)
	return m
}

func (s *sum) times(a money.Money, n int64) money.Money {
	m, err := a.Times(n)
	s.err = errors.Join(s.err, err)
	return m
}

func outOfRange(err error) error {
	if errors.Is(err, money.ErrOverflow) {
		return fault.New(fault.Invalid, "amount-out-of-range", "The cart is worth more than can be counted.").Because(err)
	}
	return err
}
