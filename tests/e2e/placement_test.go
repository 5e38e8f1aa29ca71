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

// together calls f n times at the same moment and returns when all calls have returned.
func together(n int, f func(i int)) {
	var running sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		running.Go(func() { <-start; f(i) })
	}
	close(start)
	running.Wait()
}

func TestOneKeyIsOneOrder(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 50)
	key, body := api.NewKey(), api.NewPlacement(cartWith(t, c, sku), api.Visa)
	const copies = 20
	answers, errs := make([]*api.Answer, copies), make([]error, copies)
	together(copies, func(i int) { answers[i], errs[i] = c.Place(ctx, key, body) })

	var first *api.Answer
	notReplayed := 0
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
			notReplayed++
		}
	}
	require.NotNil(t, first, "one copy must get the order")
	require.Equal(t, 1, notReplayed, "all answers but one are replayed")

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
	cart := cartWith(t, c, importProduct(t, 5))
	const (
		address   = `{"name":"Ada Byron","line1":"Unter den Linden 1","city":"Berlin","postalCode":"10117","country":"DE"}`
		reordered = `{"country":"DE","postalCode":"10117","city":"Berlin","line1":"Unter den Linden 1","name":"Ada Byron"}`
		format    = `{"cartId":%q,"email":%q,"shippingAddress":%s,"payment":{"method":"card","token":%q}}`
	)
	email, key := api.NewEmail(), api.NewKey()
	body := fmt.Sprintf(format, cart.ID, email, address, "tok_visa")
	first, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, first.Status, "%s", first.Body)

	t.Run("reordered members are the same body", func(t *testing.T) {
		same := fmt.Sprintf("{ \"payment\": {\"token\": \"tok_visa\", \"method\": \"card\"},\n \"shippingAddress\":%s,"+
			"\"email\":%q,\t\"cartId\":%q}", reordered, email, cart.ID)
		a, err := c.Place(ctx, key, same)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
		require.Equal(t, "true", a.Header.Get("Idempotent-Replayed"))
		require.Equal(t, string(first.Body), string(a.Body))
	})
	t.Run("another body is refused", func(t *testing.T) {
		a, err := c.Place(ctx, key, fmt.Sprintf(format, cart.ID, email, address, "tok_slow"))
		require.NoError(t, err)
		requireProblem(t, a.Problem(), http.StatusUnprocessableEntity, "idempotency-key-reused")
	})
	t.Run("a missing key is refused", func(t *testing.T) {
		for _, header := range []map[string]string{nil, {"Idempotency-Key": ""}} {
			a, err := c.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/orders", Header: header, Body: body})
			require.NoError(t, err)
			requireProblem(t, a.Problem(), http.StatusBadRequest, "idempotency-key-required")
		}
	})
	t.Run("each caller has keys of their own", func(t *testing.T) {
		somebody, _ := customer(t)
		order, err := somebody.Checkout(ctx, cartWith(t, somebody, importProduct(t, 1)), api.Visa, key)
		require.NoError(t, err)
		require.Equal(t, "confirmed", order.Status)
	})
	t.Run("an empty cart is refused", func(t *testing.T) {
		empty, err := c.NewCart(ctx)
		require.NoError(t, err)
		_, err = c.Checkout(ctx, empty, api.Visa, api.NewKey())
		requireProblem(t, err, http.StatusUnprocessableEntity, "empty-cart")
	})
}

func TestPlacementAfterAPriceChangeIsRefused(t *testing.T) {
	c, admin, ctx := guest(t), staff(t), t.Context()
	sku := importProduct(t, 3)
	cart := cartWith(t, c, sku)
	changed := row{handle: strings.ToLower(sku), sku: sku, quantity: "3", price: "24.99"}
	_, err := admin.Import(ctx, "text/csv", file(changed))
	require.NoError(t, err)

	key, body := api.NewKey(), api.NewPlacement(cart, api.Visa)
	first, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	var lines []struct {
		SKU      string
		Was, Now api.Money
	}
	require.NoError(t, requireProblem(t, first.Problem(), http.StatusConflict, "price-changed").Member("lines", &lines))
	require.Len(t, lines, 1)
	require.Equal(t, []any{sku, int64(1999), int64(2499)}, []any{lines[0].SKU, lines[0].Was.Amount, lines[0].Now.Amount})
	again, err := c.Place(ctx, key, body)
	require.NoError(t, err)
	require.Equal(t, string(first.Body), string(again.Body))

	order, err := c.Checkout(ctx, cart, api.Visa, api.NewKey())
	require.NoError(t, err, "the buyer knows the new price now")
	require.Equal(t, int64(2499), order.Lines[0].UnitPrice.Amount)

	next := cartWith(t, c, sku)
	p, err := c.Product(ctx, strings.ToLower(sku))
	require.NoError(t, err)
	a, err := admin.Do(ctx, api.Request{
		Method: http.MethodDelete, Path: "/api/v1/products/" + p.ID, Header: map[string]string{"If-Match": "*"},
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	_, err = c.Checkout(ctx, next, api.Visa, api.NewKey())
	var deleted []string
	require.NoError(t, requireProblem(t, err, http.StatusConflict, "cart-changed").Member("skus", &deleted))
	require.Equal(t, []string{sku}, deleted)
	stock, err := admin.Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: 3, Reserved: 1, Available: 2}, stock)
}

func TestDeclinedPaymentReleasesTheStock(t *testing.T) {
	for _, token := range []string{api.Declined, api.InsufficientFunds} {
		t.Run(token, func(t *testing.T) {
			c, ctx := guest(t), t.Context()
			sku := importProduct(t, 1)
			key, body := api.NewKey(), api.NewPlacement(cartWith(t, c, sku), token)
			first, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			p := requireProblem(t, first.Problem(), http.StatusPaymentRequired, "payment-declined")
			var code string
			require.NoError(t, p.Member("code", &code))
			require.NotEmpty(t, code)
			require.EventuallyWithT(t, func(collect *assert.CollectT) {
				stock, err := staff(t).Stock(ctx, sku)
				require.NoError(collect, err)
				require.Equal(collect, api.Stock{SKU: sku, OnHand: 1, Available: 1}, stock)
			}, timeout, interval)

			again, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			require.Equal(t, first.Status, again.Status)
			require.Equal(t, string(first.Body), string(again.Body))
			require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))

			order, err := c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
			require.NoError(t, err)
			require.Equal(t, "confirmed", order.Status)
		})
	}
}

func TestSlowPaymentIsConfirmed(t *testing.T) {
	c := guest(t)
	order, err := c.Checkout(t.Context(), cartWith(t, c, importProduct(t, 1)), api.Slow, api.NewKey())
	require.NoError(t, err)
	require.Equal(t, "confirmed", order.Status)
	require.Equal(t, "authorized", order.Payment.Status)
}

// If the payment provider fails or does not answer, the order stays undecided for some time. The repeated placement and
// the order itself show the same outcome, and the payment is authorised once.
func TestUnansweredPaymentIsDecidedLater(t *testing.T) {
	for token, immediate := range map[string][]int{
		api.Timeout: {http.StatusAccepted},
		api.Error:   {http.StatusAccepted, http.StatusCreated},
	} {
		t.Run(token, func(t *testing.T) {
			c, ctx := guest(t), t.Context()
			sku := importProduct(t, 1)
			key, body := api.NewKey(), api.NewPlacement(cartWith(t, c, sku), token)
			a, err := c.Place(ctx, key, body)
			require.NoError(t, err)
			require.Contains(t, immediate, a.Status, "%s", a.Body)
			var order api.Order
			require.NoError(t, a.Decode(&order))
			if a.Status == http.StatusAccepted {
				require.Equal(t, "placing", order.Status)
				_, err = c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
				requireProblem(t, err, http.StatusConflict, "out-of-stock")
			}
			require.NotEmpty(t, order.AccessToken, "the guest needs it to read the order")

			var outcome api.Order
			require.EventuallyWithT(t, func(collect *assert.CollectT) {
				again, err := c.Place(ctx, key, body)
				require.NoError(collect, err)
				require.Equal(collect, http.StatusCreated, again.Status, "%s", again.Body)
				require.NoError(collect, again.Decode(&outcome))
			}, 2*timeout, 4*interval)
			require.Equal(t, order.ID, outcome.ID)
			require.Equal(t, "confirmed", outcome.Status)
			read, err := c.Order(ctx, order.ID, order.AccessToken)
			require.NoError(t, err)
			require.Equal(t, "confirmed", read.Status)
			require.Equal(t, read.Total, read.Payment.Authorized)
		})
	}
}

func TestNothingIsOversold(t *testing.T) {
	c, ctx := guest(t), t.Context()
	const units, buyers = 6, 18
	sku := importProduct(t, units)
	carts, keys := make([]api.Cart, buyers), make([]string, buyers)
	for i := range carts {
		carts[i], keys[i] = cartWith(t, c, sku), api.NewKey()
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
		p := requireProblem(t, a.Problem(), http.StatusConflict, "out-of-stock")
		var lines []api.OutOfStockLine
		require.NoError(t, p.Member("lines", &lines))
		require.Equal(t, []api.OutOfStockLine{{SKU: sku, Requested: 1, Available: 0}}, lines)
	}
	require.Equal(t, units, sold)
	stock, err := staff(t).Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: units, Reserved: units, Available: 0}, stock)

	again, err := c.Place(ctx, keys[refused], bodies[refused])
	require.NoError(t, err)
	require.Equal(t, string(answers[refused].Body), string(again.Body))
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
}

func TestCancelledOrderReleasesStockAndMoney(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 2)
	order, err := c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
	require.NoError(t, err)
	cancel := api.Request{Method: http.MethodPost, Path: "/api/v1/orders/" + order.ID + "/cancel"}
	require.Equal(t, http.StatusNotFound, assertRefused(t, c, cancel, "").Status)
	cancel.Header = map[string]string{"X-Order-Token": order.AccessToken}
	for range 2 { // a repetition has no effect
		a, err := c.Do(ctx, cancel)
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		read, err := c.Order(ctx, order.ID, order.AccessToken)
		require.NoError(collect, err)
		require.Equal(collect, "cancelled", read.Status)
		require.Equal(collect, "voided", read.Payment.Status)
		require.Equal(collect, int64(0), read.Payment.Authorized.Amount, "a closed order has no authorised money")
		stock, err := staff(t).Stock(ctx, sku)
		require.NoError(collect, err)
		require.Equal(collect, api.Stock{SKU: sku, OnHand: 2, Available: 2}, stock)
	}, timeout, interval)
}
