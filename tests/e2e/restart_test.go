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

// purchase is an acknowledged order with the request that placed it.
type purchase struct {
	order api.Order
	key   string
	body  api.Placement
}

// Orders that were acknowledged before a clean stop exist after the next start, and get no second mail. Orders that
// were acknowledged before, during or after the kill of a process exist exactly once.
func TestShopSurvivesRestartsAndKills(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, o, servers := startOwnShop(t, nil)
	c := newClient(localShop{s})
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	const units = 50
	sku := importProductAs(t, admin, units)
	bought := []purchase{buyWithRetries(t, c, sku)}
	confirmation(t, s.MailDir(), bought[0].order.Email, bought[0].order.Number)

	require.NoError(t, s.Stop(ctx))
	s, err = launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c = newClient(localShop{s})
	again, err := c.Place(ctx, bought[0].key, bought[0].body)
	require.NoError(t, err)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"), "%s", again.Body)

	victims := []string{"orders", "orders-daprd", "catalog"}
	if o.PubSub == "embedded" {
		victims = append(victims, "broker")
	}
	for _, victim := range victims {
		during := make(chan purchase)
		go func() { during <- buyWithRetries(t, c, sku) }()
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		require.NoError(t, s.Ready(ready), victim)
		cancel()
		bought = append(bought, <-during, buyWithRetries(t, c, sku))
		t.Logf("%s was killed: the shop sells again", victim)
	}

	for _, name := range servers.Names() {
		stopped := outage{
			begin: func() error { return servers.Terminate(name) },
			end:   func() error { return servers.RestartServer(ctx, name) },
			store: name == o.State,
		}
		bought = append(bought, stopped.buyDuring(t, c, sku, bought[0]))
		t.Logf("%s was stopped: the shop sells again", name)
		if name == o.State {
			paused := outage{
				begin: func() error { return servers.Pause(name) },
				end:   func() error { return servers.Resume(name) },
				store: true,
			}
			bought = append(bought, paused.buyDuring(t, c, sku, bought[0]))
			t.Logf("%s did not answer: the shop sells again", name)
		}
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
	require.Equal(t, api.Stock{SKU: sku, OnHand: units, Reserved: n, Available: units - n}, stock)
	assertConsumersCaughtUp(t, localShop{s})
	requireDocumentsMatchLogs(t, localShop{s})
	require.NoError(t, s.Stop(ctx))
}

// outage is a time in which a server is unavailable.
type outage struct {
	begin, end func() error
	store      bool // the server is the state store
}

// buyDuring places an order during the outage and returns it. Without the state store, the shop answers reads from
// memory and refuses the placement; without another server it works as usual. known is an earlier order.
func (o outage) buyDuring(t *testing.T, c *api.Client, sku string, known purchase) purchase {
	ctx := t.Context()
	cart, err := c.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	p := purchase{key: api.NewKey(), body: api.NewPlacement(cart, api.Visa)}
	unchecked := *c
	unchecked.Check = nil
	for _, when := range []string{"before", "during"} { // the first reads fill the memory of the apps
		_, err = unchecked.Products(ctx, nil)
		require.NoError(t, err, "products %s the outage", when)
		_, err = unchecked.Order(ctx, known.order.ID, known.order.AccessToken)
		require.NoError(t, err, "an order %s the outage", when)
		if when == "before" {
			require.NoError(t, o.begin())
		}
	}
	short, cancel := context.WithTimeout(ctx, 3*time.Second) // the shop promises an answer within this time
	a, err := unchecked.Place(short, p.key, p.body)
	cancel()
	require.NoError(t, err, "placing")
	if o.store {
		require.Equal(t, http.StatusServiceUnavailable, a.Status, "%s", a.Body)
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	} else {
		require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	}

	require.NoError(t, o.end())
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		a, err := unchecked.Place(ctx, p.key, p.body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusCreated, a.Status, "%s", a.Body)
		require.NoError(collect, a.Decode(&p.order))
	}, time.Minute, interval)
	return p
}

// buyWithRetries places an order of one unit. It repeats failed requests, and the placement always with the same key.
func buyWithRetries(t *testing.T, c *api.Client, sku string) (p purchase) {
	unchecked := *c
	unchecked.Check = nil
	// assert and not require, because this may run in another goroutine than the test.
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		if p.key == "" {
			cart, err := unchecked.NewCart(t.Context(), api.Item{SKU: sku, Quantity: 1})
			require.NoError(collect, err)
			p.key, p.body = api.NewKey(), api.NewPlacement(cart, api.Visa)
		}
		a, err := unchecked.Place(t.Context(), p.key, p.body)
		require.NoError(collect, err)
		require.Equal(collect, http.StatusCreated, a.Status, "%s", a.Body)
		require.NoError(collect, a.Decode(&p.order))
	}, time.Minute, interval)
	return p
}
