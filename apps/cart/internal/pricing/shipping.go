package pricing

import (
	"slices"
	"strings"

	"haberdash/internal/money"
)

// Option is a way to ship, with its net price for one order.
type Option struct {
	ID       string
	Name     string
	Price    money.Money
	Estimate string // for people, such as "2–4 working days"
}

// Ids of the options. Digital is the only one for an order of which nothing is shipped.
const (
	Standard = "standard"
	Express  = "express"
	Digital  = "digital"
)

// zone is a part of the world with its prices in EUR cents.
type zone struct {
	standard, express                 int64
	standardEstimate, expressEstimate string
	countries                         string
}

// zones are searched in order; the last one takes every other country.
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

// options lists the ways to ship an order with a country and lines; there is always one.
func (b Book) options(o Order, goods money.Money) []Option {
	shipped := false
	for _, l := range o.Lines {
		shipped = shipped || l.Shipped
	}
	if !shipped {
		return []Option{{Digital, "No shipping needed", money.New(0, o.Currency), "At once"}}
	}
	z := zoneOf(o.Country)
	standard := scaled(z.standard, o.Currency)
	if b.freeShipping(o, goods) {
		standard.Amount = 0
	}
	return []Option{
		{Standard, "Standard", standard, z.standardEstimate},
		{Express, "Express", scaled(z.express, o.Currency), z.expressEstimate},
	}
}

// Offered reports whether an option of this id is on offer.
func Offered(options []Option, id string) bool {
	return slices.ContainsFunc(options, func(o Option) bool { return o.ID == id })
}
