package e2e

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/api"
)

// purchase is an order that the shop has acknowledged.
type purchase struct {
	order api.Order
	key   string
	body  api.Placement
}

// What was acknowledged before a clean stop is known after the next start, and nobody is mailed twice.
// What was acknowledged before, during and after a kill -9 is all there, once.
func TestShopSurvivesRestartsAndKills(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, servers, stop, err := options(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(stop)
	o.SkipBuild = true
	s, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c := newClient(here{s})
	boss, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	const there = 50
	sku := importStock(t, boss, there)
	bought := []purchase{insist(t, c, sku)}
	confirmation(t, s.MailDir(), bought[0].order.Email, bought[0].order.Number)

	require.NoError(t, s.Stop(ctx))
	s, err = launch.Start(ctx, o)
	require.NoError(t, err)
	c = newClient(here{s})
	again, err := c.Place(ctx, bought[0].key, bought[0].body)
	require.NoError(t, err)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"), "%s", again.Body)

	victims := []string{"orders", "orders-daprd", "catalog"}
	if o.PubSub == "embedded" {
		victims = append(victims, "broker")
	}
	for _, victim := range victims {
		during := make(chan purchase)
		go func() { during <- insist(t, c, sku) }()
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		require.NoError(t, s.Ready(ready), victim)
		cancel()
		bought = append(bought, <-during, insist(t, c, sku))
		t.Logf("%s was killed: the shop sells again", victim)
	}

	for _, name := range servers.Names() {
		away := absence{
			begin: func() error { return servers.Terminate(name) },
			end:   func() error { return servers.RestartServer(ctx, name) },
		}
		bought = append(bought, away.outlive(t, c, name == o.State, sku, bought[0]))
		t.Logf("%s was away: the shop sells again", name)
		if name == o.State {
			hung := absence{
				begin: func() error { return servers.Pause(name) },
				end:   func() error { return servers.Resume(name) },
			}
			bought = append(bought, hung.outlive(t, c, true, sku, bought[0]))
			t.Logf("%s hung: the shop sells again", name)
		}
	}

	boss, err = c.AsAdmin(ctx)
	require.NoError(t, err)
	for _, b := range bought {
		order, err := c.Order(ctx, b.order.ID, b.order.AccessToken)
		require.NoError(t, err)
		require.Equal(t, "confirmed", order.Status)
		require.Equal(t, order.Total, order.Payment.Authorized)
		confirmation(t, s.MailDir(), b.body.Email, order.Number) // one mail each
	}
	stock, err := boss.Stock(ctx, sku)
	require.NoError(t, err)
	n := int64(len(bought))
	require.Equal(t, api.Stock{SKU: sku, OnHand: there, Reserved: n, Available: there - n}, stock)
	keepUp(t, here{s})
	audited(t, here{s})
	require.NoError(t, s.Stop(ctx))
}

// absence is a time without a server.
type absence struct{ begin, end func() error }

// outlive looks at what the shop does while a server is absent, and buys. What is in memory can be read without the
// store, and nothing can be written; the broker alone is not missed.
func (away absence) outlive(t *testing.T, c *api.Client, store bool, sku string, known purchase) purchase {
	ctx := t.Context()
	cart, err := c.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	p := purchase{key: api.NewKey(), body: api.NewPlacement(cart, api.Visa)}
	without := *c
	without.Check = nil
	for _, when := range []string{"with", "without"} { // what was killed has nothing in memory before it is asked
		_, err = without.Products(ctx, nil)
		require.NoError(t, err, "products %s it", when)
		_, err = without.Order(ctx, known.order.ID, known.order.AccessToken)
		require.NoError(t, err, "an order %s it", when)
		if when == "with" {
			require.NoError(t, away.begin())
		}
	}
	soon, cancel := context.WithTimeout(ctx, 3*time.Second) // what a buyer is promised to wait at most
	a, err := without.Place(soon, p.key, p.body)
	cancel()
	require.NoError(t, err, "placing")
	if store {
		require.Equal(t, http.StatusServiceUnavailable, a.Status, "%s", a.Body)
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	} else {
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	}

	require.NoError(t, away.end())
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		a, err := without.Place(ctx, p.key, p.body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusCreated, a.Status, "%s", a.Body)
		require.NoError(collect, a.Decode(&p.order))
	}, time.Minute, tick)
	return p
}

// insist buys one of a SKU and repeats what is not answered well, as any client should, until it is: a
// placement always with its first key.
func insist(t *testing.T, c *api.Client, sku string) (p purchase) {
	anyAnswer := *c
	anyAnswer.Check = nil
	// assert, not require: this may run beside the test.
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		if p.key == "" {
			cart, err := anyAnswer.NewCart(t.Context(), api.Item{SKU: sku, Quantity: 1})
			require.NoError(collect, err)
			p.key, p.body = api.NewKey(), api.NewPlacement(cart, api.Visa)
		}
		a, err := anyAnswer.Place(t.Context(), p.key, p.body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusCreated, a.Status, "%s", a.Body)
		require.NoError(collect, a.Decode(&p.order))
	}, time.Minute, tick)
	return p
}
