package service

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

func (f *fixture) quote(user, id, option string) (response, contract.Quote) {
	f.t.Helper()
	a := f.do(user, "POST", "/internal/quotes", "",
		contract.QuoteRequest{CartID: id, ShippingAddress: berlin, ShippingOption: option})
	var q contract.Quote
	if a.Status == 200 {
		require.NoError(f.t, json.Unmarshal([]byte(a.Raw), &q))
	}
	return a, q
}

func (f *fixture) renew(id string) response {
	f.t.Helper()
	return f.do("", "POST", "/internal/quotes", "",
		contract.QuoteRequest{CartID: id, ShippingAddress: berlin, Renew: true})
}

func TestAQuotePricesTheCartForTheAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "tee-red-m", Quantity: 2}, contract.Line{SKU: "hat", Quantity: 1})
	a = f.requireOK(f.do("", "POST", path(a)+"/coupons", a.Header.Get("ETag"), `{"code":"WELCOME10"}`))
	eur := func(n int64) money.Money { return money.New(n, "EUR") }
	r, q := f.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, contract.Quote{
		CartID: a.Cart.ID, CartVersion: a.Cart.Version, ShippingOption: "standard", Coupons: []string{"WELCOME10"},
		Lines: []contract.QuoteLine{
			{SKU: "tee-red-m", Title: "TEE-RED-M", Quantity: 2, UnitPrice: eur(19_99), Taxable: true, Shipped: true,
				Discount: eur(4_00), Tax: eur(6_84), Total: eur(39_98)},
			{SKU: "hat", Title: "HAT", Quantity: 1, UnitPrice: eur(5_01), Taxable: true, Shipped: true,
				Discount: eur(50), Tax: eur(86), Total: eur(5_01)},
		},
		Subtotal: eur(44_99), Discount: eur(4_50), Shipping: eur(4_90), ShippingTax: eur(93), Tax: eur(8_63),
		Total: eur(54_02),
	}, q)
	_, express := f.quote("", a.Cart.ID, "express")
	assert.Equal(t, eur(12_90), express.Shipping)
	r, _ = f.quote("", a.Cart.ID, "pigeon")
	f.requireProblem(r, 422, "invalid-shipping-option", "body.shippingOption")

	f.requireOK(f.do("", "PUT", path(a)+"/shipping", "*", map[string]any{"address": berlin, "option": "express"}))
	_, chosen := f.quote("", a.Cart.ID, "")
	assert.Equal(t, "express", chosen.ShippingOption, "the cart's own choice")
}

func TestAQuoteUsesThePricesThatWereShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("")
	r, _ := f.quote("", a.Cart.ID, "")
	f.requireProblem(r, 422, "empty-cart", "body.cartId")
	r, _ = f.quote("", "unknown-unknown-unknown", "")
	f.requireProblem(r, 404, "not-found", "")

	a = f.fill("", contract.Line{SKU: "hat", Quantity: 1})
	f.sell("hat", 6_00, 0)
	calls := f.countCatalogCalls()
	r, q := f.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, money.New(5_01, "EUR"), q.Lines[0].UnitPrice, "catalog compares when it reserves")
	assert.Equal(t, calls, f.countCatalogCalls(), "a quote does not call the catalogue")
	r = f.renew(a.Cart.ID)
	f.requireProblem(r, 409, "price-changed", "")
	assert.Equal(t, []contract.PriceChangedLine{{SKU: "hat", Was: money.New(5_01, "EUR"), Now: money.New(6_00, "EUR")}},
		r.Problem.Lines)
	require.Equal(t, 200, f.renew(a.Cart.ID).Status)
	r, q = f.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, money.New(6_00, "EUR"), q.Lines[0].UnitPrice)
	assert.Equal(t, a.Cart.Version+1, q.CartVersion)
	assert.Equal(t, q.CartVersion, f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Version)

	f.stopSelling("hat")
	f.requireProblem(f.renew(a.Cart.ID), 409, "cart-changed", "")
	f.requireProblem(f.do("", "POST", "/internal/quotes", "", `{"cartId":"x"}`),
		422, "invalid-request", "body.shippingAddress")
}
