package pricing

import (
	"slices"
	"strings"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Option is a shipping option with its net price for one order.
type Option struct {
	ID       string
	Name     string
	Price    money.Money
	Estimate string // for people, such as "2–4 working days"
}

// Ids of the options. Digital is the only option of an order that needs no shipping.
const (
	Standard = "standard"
	Express  = "express"
	Digital  = "digital"
)

// zone is a group of countries with its prices in EUR cents.
type zone struct {
	standard, express                 int64
	standardEstimate, expressEstimate string
	countries                         string
}

// zones are searched in order. The last one is for all other countries.
var zones = []zone{
	{4_90, 12_90, "2–4 working days", "1–2 working days",
		"AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"},
	{9_90, 24_90, "4–7 working days", "2–3 working days",
		"AD AL AX BA BY CH FO GB GG GI IM IS JE LI MC MD ME MK NO RS SJ SM TR UA VA"},
	{14_90, 34_90, "6–10 working days", "3–5 working days", "CA MX PM US"},
	{19_90, 49_90, "8–15 working days", "4–7 working days", ""},
}

func zoneOf(country string) zone {
	for _, z := range zones {
		if strings.Contains(z.countries, country) {
			return z
		}
	}
	return zones[len(zones)-1]
}

// options lists the shipping options of an order that has a country and lines. There is always at least one.
func (r Rules) options(o Order, discounted money.Money) []Option {
	shipped := false
	for _, l := range o.Lines {
		shipped = shipped || l.Shipped
	}
	if !shipped {
		return []Option{{Digital, "No shipping needed", money.New(0, o.Currency), "At once"}}
	}
	z := zoneOf(o.Country)
	standard := scaled(z.standard, o.Currency)
	if r.shipsFree(o, discounted) {
		standard.Amount = 0
	}
	return []Option{
		{Standard, "Standard", standard, z.standardEstimate},
		{Express, "Express", scaled(z.express, o.Currency), z.expressEstimate},
	}
}

// CheckCountry refuses a code that is not a country's: invalid-request (422) for the member at location.
func CheckCountry(location, code string) error {
	if IsCountry(code) {
		return nil
	}
	return fault.BadField(location, "is not the ISO 3166-1 alpha-2 code of a country")
}

// CheckOption refuses an option that is not on offer: invalid-shipping-option (422) for the member at location.
func CheckOption(location, id string, onOffer []Option) error {
	if slices.ContainsFunc(onOffer, func(o Option) bool { return o.ID == id }) {
		return nil
	}
	return fault.New(fault.Invalid, "invalid-shipping-option",
		"This way of shipping is not on offer for the cart and its address.").
		WithField(location, "is not the id of an option on offer")
}
