package service

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

func (s *shop) quote(user, id, option string) (answer, contract.Quote) {
	s.t.Helper()
	a := s.do(user, "POST", "/internal/quotes", "", contract.QuoteRequest{CartID: id, ShippingAddress: berlin, ShippingOption: option})
	var q contract.Quote
	if a.Status == 200 {
		require.NoError(s.t, json.Unmarshal([]byte(a.Raw), &q))
	}
	return a, q
}

func (s *shop) renew(id string) answer {
	s.t.Helper()
	return s.do("", "POST", "/internal/quotes", "", contract.QuoteRequest{CartID: id, ShippingAddress: berlin, Renew: true})
}

func TestQuote(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "tee-red-m", Quantity: 2}, contract.Line{SKU: "hat", Quantity: 1})
	a = s.ok(s.do("", "POST", path(a)+"/coupons", a.Header.Get("ETag"), `{"code":"WELCOME10"}`))
	eur := func(n int64) money.Money { return money.New(n, "EUR") }
	r, q := s.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, contract.Quote{
		CartID: a.Cart.ID, CartVersion: a.Cart.Version, ShippingOption: "standard", Coupons: []string{"WELCOME10"},
		Lines: []contract.QuoteLine{
			{SKU: "tee-red-m", Title: "TEE-RED-M", Quantity: 2, UnitPrice: eur(19_99), Taxable: true, Shipped: true, Discount: eur(4_00), Tax: eur(6_84), Total: eur(39_98)},
			{SKU: "hat", Title: "HAT", Quantity: 1, UnitPrice: eur(5_01), Taxable: true, Shipped: true, Discount: eur(50), Tax: eur(86), Total: eur(5_01)},
		},
		Subtotal: eur(44_99), Discount: eur(4_50), Shipping: eur(4_90), ShippingTax: eur(93), Tax: eur(8_63), Total: eur(54_02),
	}, q)
	_, express := s.quote("", a.Cart.ID, "express")
	assert.Equal(t, eur(12_90), express.Shipping)
	r, _ = s.quote("", a.Cart.ID, "pigeon")
	s.refused(r, 422, "invalid-shipping-option", "body.shippingOption")

	s.ok(s.do("", "PUT", path(a)+"/shipping", "*", map[string]any{"address": berlin, "option": "express"}))
	_, chosen := s.quote("", a.Cart.ID, "")
	assert.Equal(t, "express", chosen.ShippingOption, "the cart's own choice")
}

func TestAQuoteNeedsGoodsAtThePriceThatWasShown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("")
	r, _ := s.quote("", a.Cart.ID, "")
	s.refused(r, 422, "empty-cart", "body.cartId")
	r, _ = s.quote("", "unknown-unknown-unknown", "")
	s.refused(r, 404, "not-found", "")

	a = s.filled("", contract.Line{SKU: "hat", Quantity: 1})
	s.sell("hat", 6_00, 0)
	asked := s.calls()
	r, q := s.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, money.New(5_01, "EUR"), q.Lines[0].UnitPrice, "catalog compares when it reserves")
	assert.Equal(t, asked, s.calls(), "nothing is asked for a quote")
	r = s.renew(a.Cart.ID)
	s.refused(r, 409, "price-changed", "")
	assert.Equal(t, []contract.PriceChangedLine{{SKU: "hat", Was: money.New(5_01, "EUR"), Now: money.New(6_00, "EUR")}}, r.Problem.Lines)
	require.Equal(t, 200, s.renew(a.Cart.ID).Status)
	r, q = s.quote("", a.Cart.ID, "")
	require.Equal(t, 200, r.Status, r.Raw)
	assert.Equal(t, money.New(6_00, "EUR"), q.Lines[0].UnitPrice)
	assert.Equal(t, a.Cart.Version+1, q.CartVersion)
	assert.Equal(t, q.CartVersion, s.ok(s.do("", "GET", path(a), "", nil)).Cart.Version)

	s.stopSelling("hat")
	s.refused(s.renew(a.Cart.ID), 409, "cart-changed", "")
	s.refused(s.do("", "POST", "/internal/quotes", "", `{"cartId":"x"}`), 422, "invalid-request", "body.shippingAddress")
}

func (s *shop) deliver(event contract.Event) error {
	s.t.Helper()
	return New(Deps{State: s.state, Invoker: s.mesh}).ordered(s.t.Context(), event)
}

func confirmed(order string, a answer) contract.Event {
	fact := contract.OrderFact{OrderID: order, CartID: a.Cart.ID, CartVersion: a.Cart.Version}
	for _, i := range a.Cart.Items {
		fact.Lines = append(fact.Lines, contract.OrderLine{SKU: i.SKU, Quantity: i.Quantity})
	}
	data, _ := json.Marshal(fact)
	return contract.Event{ID: "orders/orders/1/0", Type: contract.OrderConfirmed, Source: "orders", Partition: "orders", Data: data}
}

func TestAConfirmedOrderEmptiesItsCartOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	event := confirmed("o1", a)
	require.NoError(t, s.deliver(event))
	b := s.ok(s.do("", "GET", path(a), "", nil))
	assert.Empty(t, b.Cart.Items)
	s.ok(s.do("", "PUT", path(a)+"/items/hat", b.Header.Get("ETag"), `{"quantity":2}`))
	require.NoError(t, s.deliver(event))
	assert.Len(t, s.ok(s.do("", "GET", path(a), "", nil)).Cart.Items, 1, "told again, nothing happens")
}

func TestWhatWasAddedAfterTheOrderStays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	s.ok(s.do("", "PUT", path(a)+"/items/hat", "*", `{"quantity":5}`))
	require.NoError(t, s.deliver(confirmed("o1", a)))
	assert.EqualValues(t, 3, s.ok(s.do("", "GET", path(a), "", nil)).Cart.Items[0].Quantity)
}

func TestAnOrderFollowsItsCartToTheOneThatClaimedIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.filled("ann", contract.Line{SKU: "tee-red-m", Quantity: 1})
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	s.ok(s.do("ann", "POST", path(a)+"/claim", "", nil))
	require.NoError(t, s.deliver(confirmed("o1", a)))
	mine := s.ok(s.do("ann", "GET", "/api/v1/carts/mine", "", nil))
	require.Len(t, mine.Cart.Items, 1)
	assert.Equal(t, "tee-red-m", mine.Cart.Items[0].SKU)
}

func TestOrdersThatNoCartCanTakeIn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	assert.NoError(t, s.deliver(confirmed("o1", answer{Cart: Cart{ID: "gone-gone-gone-gone"}})))
	wrong := confirmed("o1", a)
	wrong.Data = json.RawMessage(`{"orderId":7}`)
	assert.True(t, consumer.IsPermanent(s.deliver(wrong)))
	s.state.setDown(true)
	err := s.deliver(confirmed("o1", a))
	assert.Error(t, err)
	assert.False(t, consumer.IsPermanent(err), "an outage passes")
	s.state.setDown(false)
	assert.Len(t, s.ok(s.do("", "GET", path(a), "", nil)).Cart.Items, 1)
}

// The events come in the order of the orders log, whatever the broker does.
func TestCartsFollowTheOrdersLog(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	placed, done := confirmed("o1", a), confirmed("o1", a)
	placed.Type, placed.Position, done.Position = contract.OrderPlaced, 1, 2
	s.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(contract.FeedPage{Events: []contract.Event{placed}, Next: 2, Head: 2})
	}))
	data, err := json.Marshal(done)
	require.NoError(t, err)
	require.NoError(t, s.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{{ID: done.ID, Data: data}}))
	assert.Empty(t, s.ok(s.do("", "GET", path(a), "", nil)).Cart.Items)
	cursors := s.do("", "GET", "/internal/consumers", "", nil)
	assert.JSONEq(t, `{"cursors":[{"source":"orders","partition":"orders","position":2,"applied":2,"parked":0,"head":0},
		{"source":"users","partition":"users","position":0,"applied":0,"parked":0,"head":0}]}`, cursors.Raw)
}

// What many orders do together is what they do one by one.
func TestOrdersTogether(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	together := func(events ...contract.Event) error {
		return New(Deps{State: s.state, Invoker: s.mesh}).orderedTogether(t.Context(), events)
	}
	items := func(a answer) int { return len(s.ok(s.do("", "GET", path(a), "", nil)).Cart.Items) }
	a, b := s.filled("", contract.Line{SKU: "hat", Quantity: 2}), s.filled("", contract.Line{SKU: "tee-red-m", Quantity: 1})
	s.ok(s.do("", "PUT", path(b)+"/items/hat", "*", `{"quantity":5}`))
	gone := confirmed("o3", answer{Cart: Cart{ID: "gone-gone-gone-gone"}})
	for range 2 {
		require.NoError(t, together(confirmed("o1", a), confirmed("o2", b), gone))
		assert.Equal(t, 0, items(a))
		assert.Equal(t, 1, items(b), "what was added after the order")
	}

	claimed, other := s.filled("", contract.Line{SKU: "hat", Quantity: 2}), s.filled("", contract.Line{SKU: "hat", Quantity: 2})
	s.ok(s.do("ann", "POST", path(claimed)+"/claim", "", nil))
	assert.ErrorIs(t, together(confirmed("o4", other), confirmed("o5", claimed)), errNotPlain)
	assert.ErrorIs(t, together(confirmed("o4", other), confirmed("o6", other)), errNotPlain)
	wrong := confirmed("o7", other)
	wrong.Data = json.RawMessage(`{"orderId":7}`)
	assert.Error(t, together(confirmed("o4", other), wrong))
	s.state.setDown(true)
	assert.Error(t, together(confirmed("o4", other), gone))
	s.state.setDown(false)
	assert.Equal(t, 1, items(other), "left for each alone")
}
