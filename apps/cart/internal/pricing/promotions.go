package pricing

import (
	"slices"
	"strings"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Promotion is the effect of a coupon. Amounts are minor units of EUR, and are converted to other currencies by the
// table scale.
type Promotion struct {
	Code         string // upper case
	BasisPoints  int64  // 1/100 of a percent off the goods
	AmountOff    int64  // minor units off the goods
	From         int64  // minor units: the smallest subtotal to which the promotion applies
	FreeShipping bool   // the standard option is free of charge
}

// Rules are the settings of pricing. The zero value has no promotions and never ships free of charge.
type Rules struct {
	Promotions       []Promotion
	FreeShippingFrom int64 // minor units as in Promotion; 0 means never
}

// DemoRules returns the settings of the demo installation.
func DemoRules() Rules {
	return Rules{FreeShippingFrom: 100_00, Promotions: []Promotion{
		{Code: "WELCOME10", BasisPoints: 10_00},
		{Code: "FIVER", AmountOff: 5_00, From: 25_00},
		{Code: "FREESHIP", FreeShipping: true},
	}}
}

// CheckCoupon checks whether a coupon code, in upper or lower case, can be added to a cart with these coupons and this
// subtotal. It returns the canonical code. Error: invalid-coupon (422) if there is no such promotion, the subtotal is
// too small for it, or the cart has another percentage off.
func (r Rules) CheckCoupon(code string, has []string, subtotal money.Money) (canonical string, err error) {
	p, ok := r.promotion(strings.ToUpper(strings.TrimSpace(code)))
	if !ok {
		return "", invalidCoupon("There is no such coupon.", "is not a coupon of this shop")
	}
	if slices.Contains(has, p.Code) {
		return p.Code, nil
	}
	if from := scaled(p.From, subtotal.Currency); subtotal.Amount < from.Amount {
		return "", invalidCoupon("The coupon applies from "+from.String()+".", "needs a larger cart")
	}
	if !r.Compatible(p.Code, has) {
		return "", invalidCoupon("The coupon does not go together with those in the cart.",
			"does not go together with those in the cart")
	}
	return p.Code, nil
}

// Compatible reports whether a coupon can be combined with others: only one of them may take a percentage off.
func (r Rules) Compatible(code string, has []string) bool {
	return !r.takesPercentage(code) || !slices.ContainsFunc(has, r.takesPercentage)
}

func (r Rules) takesPercentage(code string) bool {
	p, _ := r.promotion(code)
	return p.BasisPoints > 0
}

func invalidCoupon(detail, field string) error {
	return fault.New(fault.Invalid, "invalid-coupon", "%s", detail).WithField("code", field)
}

func (r Rules) promotion(code string) (Promotion, bool) {
	for _, p := range r.Promotions {
		if p.Code == code {
			return p, true
		}
	}
	return Promotion{}, false
}

// discount returns what the promotion takes off goods of this subtotal, in minor units. It may exceed the subtotal.
func (p Promotion) discount(subtotal money.Money) int64 {
	if subtotal.Amount < scaled(p.From, subtotal.Currency).Amount {
		return 0
	}
	return subtotal.Percent(p.BasisPoints).Amount + scaled(p.AmountOff, subtotal.Currency).Amount
}

// shipsFree reports whether the standard option is free of charge, by the threshold or by a coupon.
func (r Rules) shipsFree(o Order, discounted money.Money) bool {
	if from := scaled(r.FreeShippingFrom, o.Currency); from.Amount > 0 && discounted.Amount >= from.Amount {
		return true
	}
	return slices.ContainsFunc(o.Coupons, func(code string) bool {
		p, _ := r.promotion(code)
		return p.FreeShipping
	})
}

// scale gives the minor units of a currency that correspond to 100 minor units of EUR in these price tables. They are
// round figures, not exchange rates.
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
	return money.New(cents*factor/100, currency) // the tables have small amounts only: this cannot overflow
}
