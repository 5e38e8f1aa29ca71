// Package examples tests the apps of examples/ in shops of their own. They need the tools of their languages, so they
// are not part of `make test`: `make test-examples` runs them.
package examples

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/internal/contract"
	"haberdash/tests/api"
)

const (
	timeout  = time.Minute
	interval = 50 * time.Millisecond
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// start starts a secure shop that an example has joined, with the components that STATE, PUBSUB and MAIL select. app is
// the id of the example.
func start(t *testing.T, example, id string) *launch.Shop {
	t.Helper()
	o, err := config.FromEnv()
	require.NoError(t, err)
	app, err := appfile.Read(filepath.Join("..", "..", "examples", example))
	require.NoError(t, err)
	o.RunDir, o.FreePorts, o.GatewayPort, o.Log = t.TempDir(), true, 0, os.Stdout
	o.Env, o.Joined, o.Replacements, o.Secure = map[string]string{"RATE_LIMIT": "off"}, nil, nil, true
	o.Add(app)
	o, _, stop, err := o.WithServers(t.Context())
	require.NoError(t, err)
	t.Cleanup(stop)
	s, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(logOf(s, id))
			t.Logf("%s:\n%s", example, log[max(0, len(log)-5000):])
		}
		_ = s.Stop(context.Background())
	})
	return s
}

// logOf returns the path of the log of a process.
func logOf(s *launch.Shop, name string) string {
	for _, p := range s.State().Processes {
		if p.Name == name {
			return p.Log
		}
	}
	return ""
}

// sidecar returns a client of the sidecar of an app.
func sidecar(s *launch.Shop, app string) *api.Client {
	c := api.New(s.SidecarHTTP(app))
	c.Header = map[string]string{"dapr-api-token": s.SidecarToken(app)}
	return c
}

// invoke calls an operation of an app through the app's own sidecar, and decodes the answer into v.
func invoke(t require.TestingT, ctx context.Context, s *launch.Shop, app, method, path string, body, v any) {
	a, err := sidecar(s, app).Do(ctx, api.Request{
		Method: method, Path: "/v1.0/invoke/" + app + "/method" + path, Body: body,
	})
	require.NoError(t, err)
	require.NoError(t, a.Decode(v), "%s %s: %s", method, path, a.Body)
}

// points returns the points of a customer, which the gateway gets from the app.
func points(t require.TestingT, ctx context.Context, c *api.Client) int64 {
	a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/loyalty/me"})
	require.NoError(t, err)
	var got struct{ Points int64 }
	require.NoError(t, a.Decode(&got), "%s", a.Body)
	return got.Points
}

// awaitPoints waits until a customer has so many points.
func awaitPoints(t *testing.T, c *api.Client, want int64) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		require.Equal(collect, want, points(collect, t.Context(), c))
	}, timeout, interval)
}

// awaitCaughtUp waits until the app has applied all events of the orders.
func awaitCaughtUp(t *testing.T, s *launch.Shop, app string) (feed contract.FeedPage) {
	t.Helper()
	invoke(t, t.Context(), s, "orders", http.MethodGet, "/feed/orders?from=1&max=1000", nil, &feed)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		var got contract.Cursors
		invoke(collect, t.Context(), s, app, http.MethodGet, "/internal/consumers", nil, &got)
		i := slices.IndexFunc(got.Cursors, func(c contract.Cursor) bool { return c.Source == "orders" })
		require.GreaterOrEqual(collect, i, 0)
		require.GreaterOrEqual(collect, got.Cursors[i].Position, feed.Head)
		require.Equal(collect, got.Cursors[i].Position, got.Cursors[i].Applied+got.Cursors[i].Parked)
	}, timeout, interval)
	return feed
}

// buy places an order of some units and waits until it is confirmed. It tries again until the customer's cart, of which
// there is one, has noticed the order before. It may run in another goroutine than the test.
func buy(t *testing.T, c *api.Client, quantity int64) (order api.Order) {
	t.Helper()
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		cart, err := c.NewCart(t.Context(), api.Item{SKU: sku, Quantity: quantity})
		require.NoError(collect, err)
		order, err = c.Checkout(t.Context(), cart, api.Visa, api.NewKey())
		require.NoError(collect, err)
	}, timeout, interval)
	assert.EventuallyWithT(t, func(collect *assert.CollectT) {
		var err error
		order, err = c.Order(t.Context(), order.ID, "")
		require.NoError(collect, err)
		require.Equal(collect, "confirmed", order.Status)
	}, timeout, interval)
	return order
}

const (
	sku  = "BASQUE-BERET-RED"
	cent = 100 // cents for a point
)

func TestExampleLoyalty(t *testing.T) {
	s, ctx := start(t, "loyalty", "loyalty"), t.Context()
	guest := api.New(s.GatewayURL())
	admin, err := guest.AsAdmin(ctx)
	require.NoError(t, err)
	email, password := api.NewEmail(), api.NewKey()
	_, err = guest.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	session, err := guest.Login(ctx, email, password)
	require.NoError(t, err)
	ada := guest.As(session.AccessToken)
	other, _, err := guest.AsNewCustomer(ctx)
	require.NoError(t, err)

	a, err := guest.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/loyalty/me"})
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.Status)
	require.Equal(t, "unauthenticated", a.Problem().Name())
	require.Zero(t, points(t, ctx, ada))

	first, others := buy(t, ada, 3), buy(t, other, 1)
	awaitPoints(t, ada, first.Total.Amount/cent)
	awaitPoints(t, other, others.Total.Amount/cent)

	// What comes back and is refunded takes its points with it.
	shipped, err := admin.Fulfil(ctx, first.ID, "", api.Item{SKU: sku, Quantity: 3})
	require.NoError(t, err)
	_, err = admin.Deliver(ctx, first.ID, shipped.Fulfilments[0].ID)
	require.NoError(t, err)
	returned, err := ada.RequestReturn(ctx, first.ID, "", api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	_, err = admin.Receive(ctx, first.ID, returned.Returns[0].ID, true)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		first, err = ada.Order(ctx, first.ID, "")
		require.NoError(collect, err)
		require.Positive(collect, first.Payment.Refunded.Amount)
	}, timeout, interval)
	kept := (first.Total.Amount - first.Payment.Refunded.Amount) / cent
	require.Less(t, kept, first.Total.Amount/cent)
	awaitPoints(t, ada, kept)

	// Every event comes once more, in another order.
	feed := awaitCaughtUp(t, s, "loyalty")
	slices.Reverse(feed.Events)
	for _, e := range feed.Events {
		var answer struct{ Status string }
		invoke(t, ctx, s, "loyalty", http.MethodPost, "/events/orders", cloudEvent(t, e), &answer)
		require.Equal(t, "SUCCESS", answer.Status)
	}
	require.Equal(t, kept, points(t, ctx, ada))

	poison(t, s, admin)
	last := killed(t, s, ada, kept)

	// An account that is deleted has no points, also while its token is valid.
	a, err = ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me",
		Body: map[string]string{"password": password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	awaitNotStored(t, s, "order/"+last.ID)
	awaitPoints(t, ada, 0)
	require.Equal(t, others.Total.Amount/cent, points(t, ctx, other))
}

// cloudEvent returns the message of an event, as a sidecar delivers it.
func cloudEvent(t *testing.T, e contract.Event) string {
	t.Helper()
	message, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": e.ID, "source": e.Source, "type": e.Type, "data": e,
	})
	require.NoError(t, err)
	return string(message)
}

// poison publishes what is no event. It becomes a dead letter, which administrators list, replay and discard.
func poison(t *testing.T, s *launch.Shop, admin *api.Client) {
	t.Helper()
	a, err := sidecar(s, "orders").Do(t.Context(), api.Request{
		Method: http.MethodPost, Path: "/v1.0/publish/pubsub/orders", Body: `{"not": "an event"}`,
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	const path = "/api/v1/dead-letters/loyalty"
	var letters api.List[struct{ ID, Source, Reason string }]
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		a, err := admin.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
		require.NoError(collect, err)
		require.NoError(collect, a.Decode(&letters), "%s", a.Body)
		require.Len(collect, letters.Items, 1)
	}, timeout, interval)
	require.Equal(t, "the delivery is not an event", letters.Items[0].Reason)
	letter := path + "/" + url.PathEscape(letters.Items[0].ID)
	for _, step := range []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, letter + "/replay", http.StatusConflict},
		{http.MethodDelete, letter, http.StatusNoContent},
		{http.MethodDelete, letter, http.StatusNotFound},
	} {
		a, err := admin.Do(t.Context(), api.Request{Method: step.method, Path: step.path})
		require.NoError(t, err)
		require.Equal(t, step.status, a.Status, "%s %s: %s", step.method, step.path, a.Body)
	}
}

// killed kills the app, and then ends it, each time while a customer buys. No order is lost. It returns the last order.
func killed(t *testing.T, s *launch.Shop, c *api.Client, before int64) (last api.Order) {
	t.Helper()
	expected := before
	for _, end := range []func(string) error{s.Kill, s.Terminate} {
		orders := make(chan api.Order)
		go func() {
			defer close(orders)
			for range 4 {
				orders <- buy(t, c, 1)
			}
		}()
		bought := func(o api.Order) {
			last = o
			expected += o.Total.Amount / cent
		}
		require.NoError(t, end("loyalty"))
		bought(<-orders)
		bought(<-orders) // placed and confirmed without the app
		require.NoError(t, s.Restart("loyalty"))
		for o := range orders { // while it starts
			bought(o)
		}
		ready, cancel := context.WithTimeout(t.Context(), timeout)
		require.NoError(t, s.Ready(ready))
		cancel()
		awaitPoints(t, c, expected)
		awaitCaughtUp(t, s, "loyalty")
		require.Equal(t, expected, points(t, t.Context(), c))
	}
	log, err := os.ReadFile(logOf(s, "loyalty"))
	require.NoError(t, err)
	require.Contains(t, string(log), "Application shutdown complete", "a graceful end")
	return last
}

// awaitNotStored waits until the app has no document with a key.
func awaitNotStored(t *testing.T, s *launch.Shop, key string) {
	t.Helper()
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		a, err := sidecar(s, "loyalty").Do(t.Context(), api.Request{
			Method: http.MethodGet, Path: fmt.Sprintf("/v1.0/state/state/%s", url.PathEscape(key)),
		})
		require.NoError(collect, err)
		require.Equal(collect, http.StatusNoContent, a.Status, "%s", a.Body)
	}, timeout, interval)
}
