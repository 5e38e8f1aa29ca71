package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// joining adds the app of testdata/points to a shop.
func joining(t *testing.T) func(*config.Options) {
	t.Helper()
	app, err := appfile.Read(filepath.Join("testdata", "points"))
	require.NoError(t, err)
	return func(o *config.Options) {
		o.Joined, o.Secure = []appfile.App{app}, true
		o.Env["POINTS_KEY"] = "a secret of the app"
	}
}

// seen is what the app of testdata/points shows.
type seen struct {
	Events        [][2]string // path, type
	Authorization string
	Environment   map[string]string
	Folder        string
}

func readSeen(t *testing.T, c *api.Client) (s seen) {
	t.Helper()
	a, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: "/api/v1/points/seen"})
	require.NoError(t, err)
	require.NoError(t, a.Decode(&s), "%s", a.Body)
	return s
}

// An app of another folder and language joins a secure shop: it gets the events that it follows by its own rules, its
// own topics, dead letters, state, secrets and addresses, and nothing of the others. No file of the checkout changes.
func TestAnAppJoinsTheShop(t *testing.T) {
	t.Parallel()
	before := changedFiles(t)
	s, _, _ := startOwnShop(t, nil, joining(t))
	client, _, err := api.New(s.GatewayURL()).AsNewCustomer(t.Context())
	require.NoError(t, err)
	_, err = client.Checkout(t.Context(), cartWith(t, client, "BASQUE-BERET-RED"), api.Visa, api.NewKey())
	require.NoError(t, err)

	var got seen
	for _, want := range [][2]string{
		{"/events/orders", "order.placed"}, {"/confirmed", "order.confirmed"}, {"/events/points-dead", "order.placed"},
		{"/events/users", "user.verification-requested"},
	} {
		require.Eventually(t, func() bool {
			got = readSeen(t, client)
			return slices.Contains(got.Events, want)
		}, timeout, interval, "%s: %v", want, got.Events)
	}
	assert.NotContains(t, got.Events, [2]string{"/events/orders", "order.confirmed"})
	assert.Contains(t, got.Authorization, "Bearer ", "the gateway forwards the caller's token")
	assert.Equal(t, "hello", got.Environment["GREETING"])
	assert.Equal(t, "points", filepath.Base(got.Folder))
	for _, name := range []string{"POINTS_KEY", "ID_KEY", "KEY_ENCRYPTION_KEY", "KAFKA_BROKERS", "REDIS_PASSWORD"} {
		assert.NotContains(t, got.Environment, name, "an app asks its sidecar for secrets")
	}

	side := sidecarClient(localShop{s}, "points")
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1.0/publish/pubsub/points", `{"points": 3}`, 204},
		{"POST", "/v1.0/publish/pubsub/orders", `{"forged": true}`, 403},
		{"POST", "/v1.0/publish/pubsub/cart-dead", `{"forged": true}`, 403},
		{"POST", "/v1.0/state/state", `[{"key": "ada", "value": 3}]`, 204},
		{"GET", "/v1.0/state/state/ada", "", 200},
		{"GET", "/v1.0/secrets/secrets/POINTS_KEY", "", 200},
		{"GET", "/v1.0/secrets/secrets/ID_KEY", "", 403},
		{"GET", "/v1.0/invoke/orders/method/feed/orders?from=1&max=10", "", 200},
		{"GET", "/v1.0/invoke/users/method/.well-known/jwks.json", "", 200},
		{"GET", "/v1.0/invoke/orders/method/internal/export", "", 403},
		{"POST", "/v1.0/invoke/orders/method/internal/contacts", "{}", 403},
		{"GET", "/v1.0/invoke/catalog/method/feed/catalog?from=1&max=10", "", 403},
	} {
		a, err := side.Do(t.Context(), api.Request{Method: c.method, Path: c.path, Body: c.body})
		require.NoError(t, err)
		assert.Equal(t, c.want, a.Status, "%s %s: %.300s", c.method, c.path, a.Body)
	}
	for _, other := range roster.StandardIDs()[1:] {
		a, err := sidecarClient(localShop{s}, other).Do(t.Context(), api.Request{
			Method: http.MethodGet, Path: "/v1.0/invoke/points/method/api/v1/points/seen",
		})
		require.NoError(t, err)
		assert.Equal(t, http.StatusForbidden, a.Status, "%s calls points", other)
	}
	document, err := client.Do(t.Context(), api.Request{Method: http.MethodGet, Path: "/openapi.json"})
	require.NoError(t, err)
	assert.Contains(t, string(document.Body), "/api/v1/points/seen")
	assert.Contains(t, string(document.Body), "/api/v1/orders")
	assert.Equal(t, before, changedFiles(t), "no tracked file changes")
}

func changedFiles(t *testing.T) string {
	t.Helper()
	status := exec.Command("git", "status", "--porcelain", "--untracked-files=no")
	status.Dir = filepath.Join("..", "..")
	out, err := status.Output()
	require.NoError(t, err)
	return string(out)
}

// The start of a shop fails with one sentence that says what is wrong with an app that joins.
func TestAnAppThatCannotJoinIsExplained(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"broken":     "points: POINTS_PER_ORDER is broken",
		"subscribes": "app.yaml: the app points subscribes to the topic stock, and `follows` does not have it",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			o, _, stop, err := options(t.Context(), t.TempDir())
			require.NoError(t, err)
			t.Cleanup(stop)
			o.SkipBuild = true
			joining(t)(&o)
			o.Joined[0].Env = map[string]string{"POINTS_PER_ORDER": setting}
			o.Joined[0].Settings = nil
			_, err = launch.Start(t.Context(), o)
			require.ErrorContains(t, err, want)
		})
	}
}
