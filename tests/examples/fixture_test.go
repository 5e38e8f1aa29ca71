// Package examples tests the apps of examples/ in shops of their own. They need the tools of their languages, so they
// are not part of `make test`: `make test-examples` runs them.
package examples

import (
	"context"
	"encoding/json"
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

	sku = "BASQUE-BERET-RED" // of the demo catalogue
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
func poison(t *testing.T, s *launch.Shop, admin *api.Client, app string) {
	t.Helper()
	a, err := sidecar(s, "orders").Do(t.Context(), api.Request{
		Method: http.MethodPost, Path: "/v1.0/publish/pubsub/orders", Body: `{"not": "an event"}`,
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
	path := "/api/v1/dead-letters/" + app
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

// awaitReady waits until all apps are ready.
func awaitReady(t *testing.T, s *launch.Shop) {
	t.Helper()
	ready, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	require.NoError(t, s.Ready(ready))
}
