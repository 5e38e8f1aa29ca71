package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/shop"
)

// purchase is an order that the shop has acknowledged.
type purchase struct {
	order shop.Order
	key   string
	body  shop.Placement
}

// What was acknowledged before a clean stop is known after the next start, and nobody is mailed twice.
// What was acknowledged before, during and after a kill -9 is all there, once.
func TestShopSurvivesRestartsAndKills(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := options(t.TempDir())
	o.SkipBuild = true
	s, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c := newClient(s)
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	const there = 50
	sku := importStock(t, admin, there)
	bought := []purchase{buy(t, c, sku)}
	confirmation(t, s.MailDir(), bought[0].order.Email, bought[0].order.Number)

	require.NoError(t, s.Stop(ctx))
	s, err = launch.Start(ctx, o)
	require.NoError(t, err)
	c = newClient(s)
	again, err := c.Place(ctx, bought[0].key, bought[0].body)
	require.NoError(t, err)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"), "%s", again.Body)

	for _, victim := range []string{"orders", "orders-daprd", "catalog", "broker"} {
		cart := cartOf(t, c, sku)
		during := make(chan purchase)
		go func() { during <- insist(t, c, cart) }()
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		require.NoError(t, s.Ready(ready), victim)
		cancel()
		bought = append(bought, <-during, insist(t, c, cartOf(t, c, sku)))
		t.Logf("%s was killed: the shop sells again", victim)
	}

	admin, err = c.AsAdmin(ctx)
	require.NoError(t, err)
	for _, b := range bought {
		order, err := c.Order(ctx, b.order.ID, b.order.AccessToken)
		require.NoError(t, err)
		require.Equal(t, "confirmed", order.Status)
		require.Equal(t, order.Total, order.Payment.Authorized)
		confirmation(t, s.MailDir(), b.body.Email, order.Number) // one mail each
	}
	stock, err := admin.Stock(ctx, sku)
	require.NoError(t, err)
	n := int64(len(bought))
	require.Equal(t, shop.Stock{SKU: sku, OnHand: there, Reserved: n, Available: there - n}, stock)
	require.NoError(t, s.Stop(ctx))
}

func buy(t *testing.T, c *shop.Client, sku string) purchase {
	t.Helper()
	p := insist(t, c, cartOf(t, c, sku))
	require.Equal(t, "confirmed", p.order.Status)
	return p
}

// insist repeats one placement, as any client should, until the shop has decided it.
func insist(t *testing.T, c *shop.Client, cart shop.Cart) purchase {
	anyAnswer := *c
	anyAnswer.Check = nil
	p := purchase{key: shop.NewKey(), body: shop.NewPlacement(cart, shop.Visa)}
	// assert, not require: this may run beside the test.
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		a, err := anyAnswer.Place(t.Context(), p.key, p.body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusCreated, a.Status, "%s", a.Body)
		require.NoError(collect, a.Decode(&p.order))
	}, time.Minute, 100*time.Millisecond)
	return p
}
