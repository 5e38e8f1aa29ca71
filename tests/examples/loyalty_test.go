package examples

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/api"
)

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

const cent = 100 // cents for a point

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

	poison(t, s, admin, "loyalty")
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
		awaitReady(t, s)
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
