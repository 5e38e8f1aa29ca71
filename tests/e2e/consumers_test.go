package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// callInternal calls a route of an app that is not public. It goes through the app's own sidecar, because the access
// rules allow few other callers.
func callInternal[T any](t *testing.T, s shop, method, app, path string) (v T, err error) {
	request := api.Request{Method: method, Path: "/v1.0/invoke/" + app + "/method" + path}
	a, err := sidecarClient(s, app).Do(t.Context(), request)
	if err != nil {
		return v, err
	}
	return v, a.Decode(&v)
}

// assertConsumersCaughtUp asserts that every consumer reaches the present end of the log of the orders, and has applied
// all of its events.
func assertConsumersCaughtUp(t *testing.T, s shop) {
	t.Helper()
	feed, err := callInternal[contract.FeedPage](t, s, http.MethodGet, "orders", "/feed/orders?max=1")
	require.NoError(t, err)
	require.Positive(t, feed.Head)
	for _, app := range roster.Following() {
		if app == "orders" {
			continue // does not consume its own log
		}
		assert.EventuallyWithT(t, func(collect *assert.CollectT) {
			consumers, err := callInternal[contract.Cursors](t, s, http.MethodGet, app, "/internal/consumers")
			require.NoError(collect, err)
			cursors := consumers.Cursors
			i := slices.IndexFunc(cursors, func(c contract.Cursor) bool {
				return c.Source == "orders" && c.Partition == "orders"
			})
			require.GreaterOrEqual(collect, i, 0, app)
			require.GreaterOrEqual(collect, cursors[i].Position, feed.Head, app)
			require.Equal(collect, cursors[i].Position, cursors[i].Applied, "%s has dead letters", app)
		}, timeout, interval)
	}
}

// requireDocumentsMatchLogs requires that every document is, byte for byte, what its log produces.
func requireDocumentsMatchLogs(t *testing.T, s shop) {
	t.Helper()
	for app, audits := range map[string]int{"catalog": 2, "orders": 2, "users": 1} {
		found, err := callInternal[contract.Audits](t, s, http.MethodPost, app, "/internal/audit")
		require.NoError(t, err)
		require.Len(t, found.Audits, audits, app)
		for _, a := range found.Audits {
			require.Positive(t, a.Documents)
			require.Empty(t, a.Differences, "%s %s", app, a.Log)
		}
	}
}

// Other tests buy and ship meanwhile.
func TestConsumersAndDocumentsMatchTheLogs(t *testing.T) {
	c := guest(t)
	for range 3 {
		_, err := c.Checkout(t.Context(), cartWith(t, c, importProduct(t, 1)), api.Visa, api.NewKey())
		require.NoError(t, err)
		assertConsumersCaughtUp(t, sharedShop)
		requireDocumentsMatchLogs(t, sharedShop)
	}
}

// A message that is not an event does not block a consumer: it becomes a dead letter, which an administrator can
// discard.
func TestInvalidMessageBecomesADeadLetter(t *testing.T) {
	c := guest(t)
	const invalid = `{"not":"an event"}`
	ignoreMessage(invalid)
	published, err := sidecarClient(sharedShop, "users").Do(t.Context(), api.Request{
		Method: http.MethodPost, Path: "/v1.0/publish/pubsub/users", Body: invalid,
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, published.Status, "%s", published.Body)
	admin := staff(t)
	type deadLetter struct{ ID, Reason, Source string }
	for _, app := range roster.Following() {
		path := "/api/v1/dead-letters/" + app
		var letters api.List[deadLetter]
		require.Eventually(t, func() bool {
			a, err := admin.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
			return err == nil && a.Decode(&letters) == nil && len(letters.Items) > 0
		}, timeout, interval, app)
		require.Equal(t, deadLetter{"unknown::1", "the delivery is not an event", "unknown"}, letters.Items[0])
		path += "/" + url.PathEscape(letters.Items[0].ID)
		for _, step := range []struct {
			method, path string
			by           *api.Client
			status       int
		}{
			{http.MethodPost, path + "/replay", c, http.StatusUnauthorized},
			{http.MethodPost, path + "/replay", admin, http.StatusConflict},
			{http.MethodDelete, path, admin, http.StatusNoContent},
			{http.MethodDelete, path, admin, http.StatusNotFound},
		} {
			a, err := step.by.Do(t.Context(), api.Request{Method: step.method, Path: step.path})
			require.NoError(t, err)
			require.Equal(t, step.status, a.Status, "%s %s: %s", step.method, step.path, a.Body)
		}
	}
}
