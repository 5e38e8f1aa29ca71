package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// placeOrder places an order of two SKUs, of which ten are in stock each.
func placeOrder(t *testing.T, c *api.Client, a, b int64) (order api.Order, skuA, skuB string) {
	t.Helper()
	skuA, skuB = importProduct(t, 10), importProduct(t, 10)
	cart, err := c.NewCart(t.Context(), api.Item{SKU: skuA, Quantity: a}, api.Item{SKU: skuB, Quantity: b})
	require.NoError(t, err)
	order, err = c.Checkout(t.Context(), cart, api.Visa, api.NewKey())
	require.NoError(t, err)
	require.Equal(t, "confirmed", order.Status)
	return order, skuA, skuB
}

// requireStock requires the stock of a SKU.
func requireStock(t *testing.T, sku string, onHand, reserved int64) {
	t.Helper()
	stock, err := staff(t).Stock(t.Context(), sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: onHand, Reserved: reserved, Available: onHand - reserved}, stock)
}

func TestOrderIsShippedInPartsDeliveredAndReturned(t *testing.T) {
	c, ctx := guest(t), t.Context()
	admin := staff(t)
	order, a, b := placeOrder(t, c, 3, 1)
	token := order.AccessToken
	first, err := admin.Fulfil(ctx, order.ID, "", api.Item{SKU: a, Quantity: 1}, api.Item{SKU: a, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, "partially-fulfilled", first.Status)
	require.Equal(t, "partially-captured", first.Payment.Status)
	require.Equal(t, order.Total.Amount, first.Payment.Captured.Amount+first.Payment.Authorized.Amount)
	require.Len(t, first.Fulfilments, 1)
	require.Equal(t, "shipped", first.Fulfilments[0].Status)
	require.Equal(t, []api.Item{{SKU: a, Quantity: 2}}, first.Fulfilments[0].Lines, "one line for each SKU")
	requireStock(t, a, 8, 1)
	_, err = c.Cancel(ctx, order.ID, order.AccessToken)
	requireProblem(t, err, http.StatusConflict, "invalid-transition")

	key := api.NewKey()
	second, err := admin.Fulfil(ctx, order.ID, key, api.Item{SKU: a, Quantity: 1}, api.Item{SKU: b, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, "fulfilled", second.Status)
	require.Equal(t, "captured", second.Payment.Status)
	require.Equal(t, order.Total, second.Payment.Captured)
	again, err := admin.Fulfil(ctx, order.ID, key, api.Item{SKU: a, Quantity: 1}, api.Item{SKU: b, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, second, again, "a repeated key gets the first answer")
	_, err = admin.Fulfil(ctx, order.ID, key, api.Item{SKU: a, Quantity: 1})
	requireProblem(t, err, http.StatusUnprocessableEntity, "idempotency-key-reused")
	requireStock(t, a, 7, 0)
	requireStock(t, b, 9, 0)

	for _, f := range second.Fulfilments {
		order, err = admin.Deliver(ctx, order.ID, f.ID)
		require.NoError(t, err)
	}
	require.Equal(t, "delivered", order.Status)

	returned, err := c.RequestReturn(ctx, order.ID, token, "", api.Item{SKU: a, Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, "delivered", returned.Status)
	require.Equal(t, "requested", returned.Returns[0].Status)
	_, err = c.RequestReturn(ctx, order.ID, token, "", api.Item{SKU: a, Quantity: 3})
	requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-quantity")
	for range 2 { // a repetition has no effect
		order, err = admin.Receive(ctx, order.ID, returned.Returns[0].ID, true)
		require.NoError(t, err)
		require.Equal(t, "received", order.Returns[0].Status)
		require.Equal(t, "partially-refunded", order.Payment.Status)
	}
	requireStock(t, a, 8, 0)
	returned, err = c.RequestReturn(ctx, order.ID, token, "", api.Item{SKU: a, Quantity: 2}, api.Item{SKU: b, Quantity: 1})
	require.NoError(t, err)
	order, err = admin.Receive(ctx, order.ID, returned.Returns[1].ID, false)
	require.NoError(t, err)
	require.Equal(t, "returned", order.Status)
	require.Equal(t, "refunded", order.Payment.Status)
	require.Equal(t, order.Total, order.Payment.Refunded)
	requireStock(t, a, 8, 0) // damaged goods are not restocked
	requireStock(t, b, 9, 0)

	events, err := c.Events(ctx, order.ID, token)
	require.NoError(t, err)
	var types []string
	for _, e := range events {
		types = append(types, e.Type)
	}
	require.Equal(t, []string{"order.placed", "payment.authorized", "order.confirmed",
		"fulfilment.requested", "payment.captured", "fulfilment.shipped",
		"fulfilment.requested", "payment.captured", "fulfilment.shipped",
		"fulfilment.delivered", "fulfilment.delivered",
		"return.requested", "return.received", "payment.refunded", "return.settled",
		"return.requested", "return.received", "payment.refunded", "return.settled"}, types)
}

func TestManualRefunds(t *testing.T) {
	c, ctx := guest(t), t.Context()
	admin := staff(t)
	order, a, b := placeOrder(t, c, 1, 1)
	eur := func(amount int64) api.Money { return api.Money{Amount: amount, Currency: "EUR"} }
	_, err := admin.Refund(ctx, order.ID, api.NewKey(), eur(1))
	requireProblem(t, err, http.StatusConflict, "amount-exceeds-captured")
	_, err = admin.Fulfil(ctx, order.ID, "", api.Item{SKU: a, Quantity: 1}, api.Item{SKU: b, Quantity: 1})
	require.NoError(t, err)

	key := api.NewKey()
	answers, errs := make([]api.Order, 10), make([]error, 10)
	together(10, func(i int) { answers[i], errs[i] = admin.Refund(ctx, order.ID, key, eur(100)) })
	for i := range answers {
		require.NoError(t, errs[i])
	}
	read, err := c.Order(ctx, order.ID, order.AccessToken)
	require.NoError(t, err)
	require.Equal(t, eur(100), read.Payment.Refunded, "ten copies make one refund")
	require.Equal(t, "partially-refunded", read.Payment.Status)
	_, err = admin.Refund(ctx, order.ID, key, eur(101))
	requireProblem(t, err, http.StatusUnprocessableEntity, "idempotency-key-reused")
	_, err = admin.Refund(ctx, order.ID, "", eur(1))
	requireProblem(t, err, http.StatusBadRequest, "idempotency-key-required")
	for _, bad := range []api.Money{eur(0), eur(-5), {Amount: 5, Currency: "USD"}} {
		_, err = admin.Refund(ctx, order.ID, api.NewKey(), bad)
		requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-request")
	}
	_, err = admin.Refund(ctx, order.ID, api.NewKey(), eur(order.Total.Amount-99))
	requireProblem(t, err, http.StatusConflict, "amount-exceeds-captured")
	answer, err := admin.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders/" + order.ID + "/refunds",
		Header: map[string]string{"Idempotency-Key": api.NewKey()},
		Body:   map[string]any{"amount": eur(order.Total.Amount - 100), "reason": "all of it"},
	})
	require.NoError(t, err)
	var last api.Order
	require.NoError(t, answer.Decode(&last))
	require.Equal(t, http.StatusCreated, answer.Status)
	require.Equal(t, "refunded", last.Payment.Status)
}

func TestInvalidActionsOnAnOrderAreRefused(t *testing.T) {
	c, ctx := guest(t), t.Context()
	order, a, _ := placeOrder(t, c, 1, 1)
	other, _ := customer(t)
	for _, path := range []string{"/fulfilments", "/fulfilments/x/deliver", "/returns/x/receive", "/refunds"} {
		r := api.Request{
			Method: http.MethodPost, Path: "/api/v1/orders/" + order.ID + path, Body: "nonsense",
			Header: map[string]string{"X-Order-Token": order.AccessToken},
		}
		requireProblem(t, assertRefused(t, c, r, ""), http.StatusUnauthorized, "unauthenticated")
		requireProblem(t, assertRefused(t, other, r, ""), http.StatusForbidden, "forbidden")
	}
	for _, caller := range []*api.Client{c, other} {
		_, err := caller.RequestReturn(ctx, order.ID, "", "", api.Item{SKU: a, Quantity: 1})
		requireProblem(t, err, http.StatusNotFound, "not-found")
	}
	_, err := c.RequestReturn(ctx, order.ID, order.AccessToken, "", api.Item{SKU: a, Quantity: 1})
	requireProblem(t, err, http.StatusConflict, "invalid-transition")
	admin := staff(t)
	for _, lines := range [][]api.Item{
		{}, {{SKU: a, Quantity: 0}}, {{SKU: a, Quantity: -1}}, {{SKU: a, Quantity: 2}}, {{SKU: "no-such", Quantity: 1}},
	} {
		_, err := admin.Fulfil(ctx, order.ID, "", lines...)
		var p *api.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, http.StatusUnprocessableEntity, p.Status, "%v", p)
		require.NotEmpty(t, p.Errors)
	}
	_, err = admin.Fulfil(ctx, "no-such-order", "", api.Item{SKU: a, Quantity: 1})
	requireProblem(t, err, http.StatusNotFound, "not-found")
	_, err = admin.Deliver(ctx, order.ID, "no-such")
	requireProblem(t, err, http.StatusNotFound, "not-found")
	requireStock(t, a, 10, 1)
}
