package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// The cache of the gateway must not hide a change: after a write, the writer and all other callers read the new value.
// A shop on a cluster has several replicas, whose answers to buyers may be a second old: see docs/scaling.md.
func TestReadsAfterAWriteAreNotStale(t *testing.T) {
	c, ctx, sku := guest(t), t.Context(), importProduct(t, 10)
	path := "/api/v1/products/" + strings.ToLower(sku)
	read := func(t require.TestingT, c *api.Client, path string) (p api.Product) {
		for range 2 { // the second answer may come from the cache
			a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path})
			require.NoError(t, err)
			require.NoError(t, a.Decode(&p))
			p.ETag = a.Header.Get("ETag")
		}
		return p
	}
	shows := func(path string, right func(t require.TestingT, p api.Product)) {
		t.Helper()
		if _, local := sharedShop.(localShop); local {
			right(t, read(t, c, path))
			return
		}
		require.EventuallyWithT(t, func(collect *assert.CollectT) { right(collect, read(collect, c, path)) },
			timeout, interval)
	}
	showsAvailable := func(want int64) {
		t.Helper()
		shows(path, func(t require.TestingT, p api.Product) { require.Equal(t, want, p.Variants[0].Available) })
	}
	for range 5 {
		showsAvailable(10)
		a, err := staff(t).Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
			Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: `{"delta":-3,"reason":"count"}`,
		})
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
		for left := int64(7); left > 4; left-- {
			showsAvailable(left)
			_, err = c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
			require.NoError(t, err)
			showsAvailable(left - 1)
		}
		for _, title := range []string{"One", "Other"} {
			before := read(t, staff(t), path)
			a, err := staff(t).Do(ctx, api.Request{
				Method: http.MethodPut, Path: "/api/v1/products/" + before.ID,
				Header: map[string]string{"If-Match": before.ETag},
				Body:   `{"title":"` + title + `","variants":[{"sku":"` + sku + `","price":{"amount":1999,"currency":"EUR"}}]}`,
			})
			require.NoError(t, err)
			require.NoError(t, a.Decode(nil))
			for _, address := range []string{path, "/api/v1/products/" + before.ID} {
				shows(address, func(t require.TestingT, p api.Product) { require.Equal(t, title, p.Title) })
			}
		}
		a, err = staff(t).Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
			Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: `{"delta":6,"reason":"count"}`,
		})
		require.NoError(t, err)
		require.NoError(t, a.Decode(nil))
	}
}

// Guests share cached answers. A request with a token goes to the catalogue.
func TestReadsOfGuestsAreCached(t *testing.T) {
	c := guest(t)
	path := "/api/v1/products?q=" + strings.ToLower(importProduct(t, 1))
	var hits atomic.Int64
	require.Eventually(t, func() bool { // other tests write meanwhile
		together(8, func(int) {
			a, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
			if err == nil && strings.HasPrefix(a.Header.Get("Cache-Status"), "haberdash; hit") && a.Header.Get("Age") != "" {
				hits.Add(1)
			}
		})
		return hits.Load() > 0
	}, timeout, interval)
	a, err := staff(t).Do(t.Context(), api.Request{Method: http.MethodGet, Path: path})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status)
	require.Empty(t, a.Header.Get("Age"))
}
