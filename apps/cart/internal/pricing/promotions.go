package pricing

import (
	"slices"
	"strings"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Promotion is what a coupon gives. Amounts in minor units are those of EUR; other currencies take them
// by the table scale.
type Promotion struct {
	Code         string // upper case
	BasisPoints  int64  // 1/100 of a percent off the goods
	AmountOff    int64  // minor units off the goods
	From         int64  // minor units: the subtotal from which the promotion applies
	FreeShipping bool   // the standard option costs nothing
}

// Book is the configuration of pricing.
type Book struct {
	Promotions       []Promotion
	FreeShippingFrom int64 // minor units as in Promotion; 0 means never
}

// Demo is the book of the demo shop.
func Demo() Book {
	return Book{FreeShippingFrom: 100_00, Promotions: []Promotion{
		{Code: "WELCOME10", BasisPoints: 10_00},
		{Code: "FIVER", AmountOff: 5_00, From: 25_00},
		{Code: "FREESHIP", FreeShipping: true},
	}}
}

// Admit checks a code as typed against the coupons that a cart has already and the cart's subtotal, and
// gives the code's canonical form. It fails with invalid-coupon (422) when there is no such promotion,
// when the subtotal is too small for it, or when the cart has another percentage off.
func (b Book) Admit(typed string, has []string, subtotal money.Money) (string, error) {
	p, ok := b.find(strings.ToUpper(strings.TrimSpace(typed)))
	if !ok {
		return "", invalidCoupon("There is no such coupon.", "is not a coupon of this shop")
	}
	if slices.Contains(has, p.Code) {
		return p.Code, nil
	}
	if from := scaled(p.From, subtotal.Currency); subtotal.Amount < from.Amount {
		return "", invalidCoupon("The coupon applies from "+from.String()+".", "needs a larger cart")
	}
	if !b.Compatible(p.Code, has) {
		return "", invalidCoupon("The coupon does not go together with those in the cart.", "does not go together with those in the cart")
	}
	return p.Code, nil
}

// Compatible reports whether a coupon may join others: only one of them may take a percentage off.
func (b Book) Compatible(code string, has []string) bool {
	p, _ := b.find(code)
	return p.BasisPoints == 0 || !slices.ContainsFunc(has, func(code string) bool { other, _ := b.find(code); return other.BasisPoints > 0 })
}

func invalidCoupon(detail, field string) error {
	return fault.New(fault.Invalid, "invalid-coupon", "%s", detail).WithField("body.code", field)
}

func (b Book) find(code string) (Promotion, bool) {
	for _, p := range b.Promotions {
		if p.Code == code {
			return p, true
		}
	}
	return Promotion{}, false
}

// amount is what the promotion takes off goods of this subtotal, before any limit.
func (p Promotion) amount(subtotal money.Money) int64 {
	if subtotal.Amount < scaled(p.From, subtotal.Currency).Amount {
		return 0
	}
	return subtotal.Percent(p.BasisPoints).Amount + scaled(p.AmountOff, subtotal.Currency).Amount
}

func (b Book) freeShipping(o Order, goods money.Money) bool {
	if from := scaled(b.FreeShippingFrom, o.Currency); from.Amount > 0 && goods.Amount >= from.Amount {
		return true
	}
	return slices.ContainsFunc(o.Coupons, func(code string) bool { p, _ := b.find(code); return p.FreeShipping })
}

// scale says how many minor units of a currency stand for 100 minor units of EUR in this shop's price
// table: round figures, not exchange rates.
var scale = map[string]int64{
	"EUR": 100, "USD": 100, "GBP": 100, "CHF": 100, "CAD": 150, "AUD": 150, "NZD": 200, "BGN": 200,
	"SEK": 1000, "NOK": 1000, "DKK": 700, "PLN": 400, "RON": 500, "CZK": 2500, "HUF": 40_000,
	"JPY": 150, "KRW": 1500, "KWD": 300, "BHD": 400,
}

func scaled(cents int64, currency string) money.Money {
	factor, ok := scale[currency]
	if !ok {
		factor = 100
	}
	return money.New(cents*factor/100, currency) // small figures of our own tables: cannot overflow
}
