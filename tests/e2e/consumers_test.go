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

// inside asks an app what it tells the mesh alone, through its own sidecar: access rules let few others ask.
func inside[T any](t *testing.T, s place, method, app, path string) (v T, err error) {
	a, err := api.New(s.SidecarHTTP(app)).Do(t.Context(), api.Request{Method: method, Path: "/v1.0/invoke/" + app + "/method" + path})
	if err != nil {
		return v, err
	}
	return v, a.Decode(&v)
}

// keepUp demands that every consumer comes to where the orders log ends now, and has applied all of it.
func keepUp(t *testing.T, s place) {
	t.Helper()
	feed, err := inside[contract.FeedPage](t, s, http.MethodGet, "orders", "/feed/orders?max=1")
	require.NoError(t, err)
	require.Positive(t, feed.Head)
	for _, app := range roster.Following() {
		if app == "orders" {
			continue // its own
		}
		assert.EventuallyWithT(t, func(collect *assert.CollectT) {
			seen, err := inside[contract.Cursors](t, s, http.MethodGet, app, "/internal/consumers")
			require.NoError(collect, err)
			cursors := seen.Cursors
			i := slices.IndexFunc(cursors, func(c contract.Cursor) bool { return c.Source == "orders" && c.Partition == "orders" })
			require.GreaterOrEqual(collect, i, 0, app)
			require.GreaterOrEqual(collect, cursors[i].Position, feed.Head, app)
			require.Equal(collect, cursors[i].Position, cursors[i].Applied, "%s has parked events", app)
		}, soon, tick)
	}
}

// audited demands that every document is, byte for byte, what its log makes.
func audited(t *testing.T, s place) {
	t.Helper()
	for app, audits := range map[string]int{"catalog": 2, "orders": 2, "users": 1} {
		found, err := inside[contract.Audits](t, s, http.MethodPost, app, "/internal/audit")
		require.NoError(t, err)
		require.Len(t, found.Audits, audits, app)
		for _, a := range found.Audits {
			require.Positive(t, a.Documents)
			require.Empty(t, a.Differences, "%s %s", app, a.Log)
		}
	}
}

// While the other tests buy and ship, consumers keep up and documents are what the logs make.
func TestConsumersAndDocumentsFollowTheLogs(t *testing.T) {
	c := guest(t)
	for range 3 {
		_, err := c.Checkout(t.Context(), cartOf(t, c, stocked(t, 1)), api.Visa, api.NewKey())
		require.NoError(t, err)
		keepUp(t, theShop)
		audited(t, theShop)
	}
}

// A message that is no event stands in nobody's way: each consumer puts it aside for an administrator.
func TestWhatIsNoEventBecomesADeadLetter(t *testing.T) {
	c := guest(t)
	published, err := api.New(theShop.SidecarHTTP("users")).Do(t.Context(), api.Request{Method: http.MethodPost, Path: "/v1.0/publish/pubsub/users", Body: `{"not":"an event"}`})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, published.Status, "%s", published.Body)
	admin := staff(t) // the administrator
	type letter struct{ ID, Reason, Source string }
	for _, app := range roster.Following() {
		path := "/api/v1/dead-letters/" + app
		var letters api.List[letter]
		require.Eventually(t, func() bool {
			a, err := admin.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
			return err == nil && a.Decode(&letters) == nil && len(letters.Items) > 0
		}, soon, tick, app)
		require.Equal(t, letter{"unknown::1", "the delivery is not an event", "unknown"}, letters.Items[0])
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
