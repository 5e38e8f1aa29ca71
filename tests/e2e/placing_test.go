package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// together calls f n times at once and returns when all are done.
func together(n int, f func(i int)) {
	var ready sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		ready.Go(func() { <-gate; f(i) })
	}
	close(gate)
	ready.Wait()
}

func TestOneKeyIsOneOrder(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := stocked(t, 50)
	key, body := api.NewKey(), api.NewPlacement(cartOf(t, c, sku), api.Visa)
	const copies = 20
	answers, errs := make([]*api.Answer, copies), make([]error, copies)
	together(copies, func(i int) { answers[i], errs[i] = c.Place(ctx, key, body) })

	var first *api.Answer
	fresh := 0
	for i, a := range answers {
		require.NoError(t, errs[i])
		if a.Status == http.StatusConflict {
			require.Equal(t, "request-in-progress", a.Problem().Name())
			require.NotEmpty(t, a.Header.Get("Retry-After"))
			continue
		}
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
		if first == nil {
			first = a
		}
		require.Equal(t, string(first.Body), string(a.Body))
		if a.Header.Get("Idempotent-Replayed") == "" {
			fresh++
		}
	}
	require.NotNil(t, first, "somebody must have got the order")
	require.Equal(t, 1, fresh, "all answers but one are replays")

	again, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, again.Status)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, string(first.Body), string(again.Body))
	stock, err := staff(t).Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: 50, Reserved: 1, Available: 49}, stock)
}

func TestIdempotencyKeys(t *testing.T) {
	c, ctx := guest(t), t.Context()
	cart := cartOf(t, c, stocked(t, 5))
	const (
		address   = `{"name":"Ada Byron","line1":"Unter den Linden 1","city":"Berlin","postalCode":"10117","country":"DE"}`
		reordered = `{"country":"DE","postalCode":"10117","city":"Berlin","line1":"Unter den Linden 1","name":"Ada Byron"}`
	)
	email, key := api.NewEmail(), api.NewKey()
	body := fmt.Sprintf(`{"cartId":%q,"email":%q,"shippingAddress":%s,"payment":{"method":"card","token":"tok_visa"}}`, cart.ID, email, address)
	first, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, first.Status, "%s", first.Body)

	t.Run("reordered members are the same body", func(t *testing.T) {
		same := fmt.Sprintf("{ \"payment\": {\"token\": \"tok_visa\", \"method\": \"card\"},\n \"shippingAddress\":%s,\"email\":%q,\t\"cartId\":%q}", reordered, email, cart.ID)
		a, err := c.Place(ctx, key, same)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
		require.Equal(t, "true", a.Header.Get("Idempotent-Replayed"))
		require.Equal(t, string(first.Body), string(a.Body))
	})
	t.Run("another body", func(t *testing.T) {
		other := fmt.Sprintf(`{"cartId":%q,"email":%q,"shippingAddress":%s,"payment":{"method":"card","token":"tok_slow"}}`, cart.ID, email, address)
		a, err := c.Place(ctx, key, other)
		require.NoError(t, err)
		problem(t, a.Problem(), http.StatusUnprocessableEntity, "idempotency-key-reused")
	})
	t.Run("no key", func(t *testing.T) {
		for _, header := range []map[string]string{nil, {"Idempotency-Key": ""}} {
			a, err := c.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/orders", Header: header, Body: body})
			require.NoError(t, err)
			problem(t, a.Problem(), http.StatusBadRequest, "idempotency-key-required")
		}
	})
	t.Run("keys are the caller's own", func(t *testing.T) {
		somebody, _ := customer(t)
		order, err := somebody.Checkout(ctx, cartOf(t, somebody, stocked(t, 1)), api.Visa, key)
		require.NoError(t, err)
		require.Equal(t, "confirmed", order.Status)
	})
	t.Run("an empty cart", func(t *testing.T) {
		empty, err := c.NewCart(ctx)
		require.NoError(t, err)
		_, err = c.Checkout(ctx, empty, api.Visa, api.NewKey())
		problem(t, err, http.StatusUnprocessableEntity, "empty-cart")
	})
}

func TestPricesAreTheOnesThatWereShown(t *testing.T) {
	c, boss, ctx := guest(t), staff(t), t.Context()
	sku := stocked(t, 3)
	cart := cartOf(t, c, sku)
	_, err := boss.Import(ctx, "text/csv", file(row{handle: strings.ToLower(sku), sku: sku, quantity: "3", price: "24.99"}))
	require.NoError(t, err)

	key, body := api.NewKey(), api.NewPlacement(cart, api.Visa)
	first, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	var lines []struct {
		SKU      string
		Was, Now api.Money
	}
	require.NoError(t, problem(t, first.Problem(), http.StatusConflict, "price-changed").Member("lines", &lines))
	require.Len(t, lines, 1)
	require.Equal(t, []any{sku, int64(1999), int64(2499)}, []any{lines[0].SKU, lines[0].Was.Amount, lines[0].Now.Amount})
	again, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	require.Equal(t, string(first.Body), string(again.Body))

	order, err := c.Checkout(ctx, cart, api.Visa, api.NewKey())
	require.NoError(t, err, "the buyer has been told")
	require.Equal(t, int64(2499), order.Lines[0].UnitPrice.Amount)

	next := cartOf(t, c, sku)
	p, err := c.Product(ctx, strings.ToLower(sku))
	require.NoError(t, err)
	a, err := boss.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/products/" + p.ID, Header: map[string]string{"If-Match": "*"}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	_, err = c.Checkout(ctx, next, api.Visa, api.NewKey())
	var gone []string
	require.NoError(t, problem(t, err, http.StatusConflict, "cart-changed").Member("skus", &gone))
	require.Equal(t, []string{sku}, gone)
	stock, err := boss.Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: 3, Reserved: 1, Available: 2}, stock)
}

func TestDeclinedPaymentFreesTheStock(t *testing.T) {
	for _, token := range []string{api.Declined, api.InsufficientFunds} {
		t.Run(token, func(t *testing.T) {
			c, ctx := guest(t), t.Context()
			sku := stocked(t, 1)
			key, body := api.NewKey(), api.NewPlacement(cartOf(t, c, sku), token)
			first, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			p := problem(t, first.Problem(), http.StatusPaymentRequired, "payment-declined")
			var code string
			require.NoError(t, p.Member("code", &code))
			require.NotEmpty(t, code)
			require.EventuallyWithT(t, func(collect *assert.CollectT) {
				stock, err := staff(t).Stock(ctx, sku)
				require.NoError(collect, err)
				require.Equal(collect, api.Stock{SKU: sku, OnHand: 1, Available: 1}, stock)
			}, soon, tick)

			again, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			require.Equal(t, first.Status, again.Status)
			require.Equal(t, string(first.Body), string(again.Body))
			require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))

			order, err := c.Checkout(ctx, cartOf(t, c, sku), api.Visa, api.NewKey())
			require.NoError(t, err)
			require.Equal(t, "confirmed", order.Status)
		})
	}
}

func TestSlowPayment(t *testing.T) {
	c := guest(t)
	order, err := c.Checkout(t.Context(), cartOf(t, c, stocked(t, 1)), api.Slow, api.NewKey())
	require.NoError(t, err)
	require.Equal(t, "confirmed", order.Status)
	require.Equal(t, "authorized", order.Payment.Status)
}

// A provider that fails, or stays silent, leaves the order placing until it is decided; both ways to
// learn of the outcome agree, and the payment is authorised once.
func TestSilentPayment(t *testing.T) {
	for token, immediate := range map[string][]int{
		api.Timeout: {http.StatusAccepted},
		api.Error:   {http.StatusAccepted, http.StatusCreated},
	} {
		t.Run(token, func(t *testing.T) {
			c, ctx := guest(t), t.Context()
			sku := stocked(t, 1)
			key, body := api.NewKey(), api.NewPlacement(cartOf(t, c, sku), token)
			a, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			require.Contains(t, immediate, a.Status, "%s", a.Body)
			var order api.Order
			require.NoError(t, a.Decode(&order))
			if a.Status == http.StatusAccepted {
				require.Equal(t, "placing", order.Status)
				_, err = c.Checkout(ctx, cartOf(t, c, sku), api.Visa, api.NewKey())
				problem(t, err, http.StatusConflict, "out-of-stock")
			}
			require.NotEmpty(t, order.AccessToken, "a guest must be able to watch it")

			var outcome api.Order
			require.EventuallyWithT(t, func(collect *assert.CollectT) {
				again, err := c.Place(ctx, key, body)
				require.NoError(collect, err)
				require.Equal(collect, http.StatusCreated, again.Status, "%s", again.Body)
				require.NoError(collect, again.Decode(&outcome))
			}, 2*soon, 4*tick)
			require.Equal(t, order.ID, outcome.ID)
			require.Equal(t, "confirmed", outcome.Status)
			watched, err := c.Order(ctx, order.ID, order.AccessToken)
			require.NoError(t, err)
			require.Equal(t, "confirmed", watched.Status)
			require.Equal(t, watched.Total, watched.Payment.Authorized)
		})
	}
}

func TestNothingIsOversold(t *testing.T) {
	c, ctx := guest(t), t.Context()
	const there, buyers = 6, 18
	sku := stocked(t, there)
	carts, keys := make([]api.Cart, buyers), make([]string, buyers)
	for i := range carts {
		carts[i], keys[i] = cartOf(t, c, sku), api.NewKey()
	}
	bodies, answers, errs := make([]api.Placement, buyers), make([]*api.Answer, buyers), make([]error, buyers)
	for i := range bodies {
		bodies[i] = api.NewPlacement(carts[i], api.Visa)
	}
	together(buyers, func(i int) { answers[i], errs[i] = c.Place(ctx, keys[i], bodies[i]) })
	sold, refused := 0, -1
	for i, a := range answers {
		require.NoError(t, errs[i])
		if a.Status == http.StatusCreated {
			sold++
			continue
		}
		refused = i
		p := problem(t, a.Problem(), http.StatusConflict, "out-of-stock")
		var lines []api.OutOfStockLine
		require.NoError(t, p.Member("lines", &lines))
		require.Equal(t, []api.OutOfStockLine{{SKU: sku, Requested: 1, Available: 0}}, lines)
	}
	require.Equal(t, there, sold)
	stock, err := staff(t).Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: there, Reserved: there, Available: 0}, stock)

	again, err := c.Place(ctx, keys[refused], bodies[refused])
	require.NoError(t, err)
	require.Equal(t, string(answers[refused].Body), string(again.Body))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
}

func TestCancelledOrderFreesStockAndMoney(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := stocked(t, 2)
	order, err := c.Checkout(ctx, cartOf(t, c, sku), api.Visa, api.NewKey())
	require.NoError(t, err)
	cancel := api.Request{Method: http.MethodPost, Path: "/api/v1/orders/" + order.ID + "/cancel"}
	require.Equal(t, http.StatusNotFound, refused(t, c, cancel, "").Status)
	cancel.Header = map[string]string{"X-Order-Token": order.AccessToken}
	for range 2 { // a repetition changes nothing
		a, err := c.Do(ctx, cancel)
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		read, err := c.Order(ctx, order.ID, order.AccessToken)
		require.NoError(collect, err)
		require.Equal(collect, "cancelled", read.Status)
		require.Equal(collect, "voided", read.Payment.Status)
		require.Equal(collect, int64(0), read.Payment.Authorized.Amount, "authorised money of a closed order is zero")
		stock, err := staff(t).Stock(ctx, sku)
		require.NoError(collect, err)
		require.Equal(collect, api.Stock{SKU: sku, OnHand: 2, Available: 2}, stock)
	}, soon, tick)
}
