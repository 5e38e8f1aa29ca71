package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// Whatever the gateway keeps: who writes and then reads sees what they wrote, and so does everybody else.
func TestReadersSeeWhatWasWritten(t *testing.T) {
	c, ctx, sku := guest(t), t.Context(), stocked(t, 10)
	path := "/api/v1/products/" + strings.ToLower(sku)
	seen := func(path string) (p api.Product) {
		t.Helper()
		for range 2 { // the second, if not the first, comes from memory where it may
			a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path})
			require.NoError(t, err)
			require.NoError(t, a.Decode(&p))
			p.ETag = a.Header.Get("ETag")
		}
		return p
	}
	for range 5 {
		require.EqualValues(t, 10, seen(path).Variants[0].Available)
		a, err := staff(t).Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments", Header: map[string]string{"Idempotency-Key": api.NewKey()},
			Body: `{"delta":-3,"reason":"count"}`,
		})
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
		require.EqualValues(t, 7, seen(path).Variants[0].Available)
		for range 3 {
			left := seen(path).Variants[0].Available
			_, err = c.Checkout(ctx, cartOf(t, c, sku), api.Visa, api.NewKey())
			require.NoError(t, err)
			require.Equal(t, left-1, seen(path).Variants[0].Available)
		}
		for _, title := range []string{"One", "Other"} {
			before := seen(path)
			a, err := staff(t).Do(ctx, api.Request{
				Method: http.MethodPut, Path: "/api/v1/products/" + before.ID, Header: map[string]string{"If-Match": before.ETag},
				Body: `{"title":"` + title + `","variants":[{"sku":"` + sku + `","price":{"amount":1999,"currency":"EUR"}}]}`,
			})
			require.NoError(t, err)
			require.NoError(t, a.Decode(nil))
			require.Equal(t, title, seen(path).Title)
			require.Equal(t, title, seen("/api/v1/products/"+before.ID).Title)
		}
		a, err = staff(t).Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments", Header: map[string]string{"Idempotency-Key": api.NewKey()},
			Body: `{"delta":6,"reason":"count"}`,
		})
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
	}
}

// Guests share; who has a token is answered by the catalogue.
func TestPublicReadsComeFromMemory(t *testing.T) {
	c := guest(t)
	path := "/api/v1/products?q=" + strings.ToLower(stocked(t, 1))
	var hits atomic.Int64
	require.Eventually(t, func() bool { // other tests write meanwhile
		together(8, func(int) {
			a, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
			if err == nil && strings.HasPrefix(a.Header.Get("Cache-Status"), "haberdash; hit") && a.Header.Get("Age") != "" {
				hits.Add(1)
			}
		})
		return hits.Load() > 0
	}, soon, tick)
	a, err := staff(t).Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status)
	require.Empty(t, a.Header.Get("Age"))
}
