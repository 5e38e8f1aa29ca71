package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

func TestHeadersOfEveryAnswer(t *testing.T) {
	c, ctx := guest(t), t.Context()
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for path, status := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/docs": 200, "/.well-known/jwks.json": 200,
		"/api/v1/products": 200, "/api/v1/products/unknown": 404, "/nowhere": 404, "/metrics": 404,
		"/api/v1/orders": 401,
	} {
		a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path, Header: map[string]string{
			"X-Request-Id": "request-7", "traceparent": "00-" + trace + "-00f067aa0ba902b7-01",
		}})
		require.NoError(t, err)
		require.Equal(t, status, a.Status, path)
		require.Equal(t, "request-7", a.Header.Get("X-Request-Id"), path)
		require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`, a.Header.Get("traceparent"), path)
		require.NotContains(t, a.Header.Get("traceparent"), trace, "%s: the trace of a stranger is only linked", path)
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), path)
		if status == 200 && path != "/docs" {
			require.Contains(t, a.Header.Get("Content-Type"), "json", path)
		}
	}
	one, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/products"})
	require.NoError(t, err)
	other, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/products"})
	require.NoError(t, err)
	require.NotEqual(t, one.Header.Get("X-Request-Id"), other.Header.Get("X-Request-Id"),
		"a cached answer has a new request id")

	a, err := c.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/orders"})
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, a.Status)
	require.Contains(t, strings.Join(a.Header.Values("Allow"), ", "), "GET")
}

func TestConditionalReads(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 5)
	cart := cartWith(t, c, sku)
	order, err := c.Checkout(ctx, cart, api.Visa, api.NewKey())
	require.NoError(t, err)
	found, err := c.Products(ctx, nil)
	require.NoError(t, err)
	for path, header := range map[string]map[string]string{
		"/api/v1/products/" + found.Items[0].ID:   {},
		"/api/v1/carts/" + cartWith(t, c, sku).ID: {},
		"/api/v1/orders/" + order.ID:              {"X-Order-Token": order.AccessToken},
	} {
		first, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path, Header: header})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, first.Status)
		etag := first.Header.Get("ETag")
		require.Regexp(t, `^"[^"]+"$`, etag, "%s: a strong ETag", path)
		for match, status := range map[string]int{
			etag: 304, `"other", ` + etag: 304, "W/" + etag: 304, "*": 304, `"other"`: 200,
		} {
			header["If-None-Match"] = match
			a, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: path, Header: header})
			require.NoError(t, err)
			require.Equal(t, status, a.Status, "%s with If-None-Match %s", path, match)
			require.Equal(t, etag, a.Header.Get("ETag"))
			if status == 304 {
				require.Empty(t, a.Body)
			} else {
				require.Equal(t, string(first.Body), string(a.Body))
			}
		}
	}
}

func TestConditionalChanges(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 5)
	old, err := c.NewCart(ctx)
	require.NoError(t, err)
	cart, err := c.SetItem(ctx, old, sku, 1)
	require.NoError(t, err)
	require.NotEqual(t, old.ETag, cart.ETag)

	for path, r := range map[string]api.Request{
		"item":     {Method: http.MethodPut, Path: "/items/" + sku, Body: `{"quantity":2}`},
		"removal":  {Method: http.MethodDelete, Path: "/items/" + sku},
		"shipping": {Method: http.MethodPut, Path: "/shipping", Body: `{"address":` + addressBody + `}`},
		"coupon":   {Method: http.MethodPost, Path: "/coupons", Body: `{"code":"WELCOME10"}`},
	} {
		r.Path = "/api/v1/carts/" + cart.ID + r.Path
		require.Equal(t, http.StatusPreconditionRequired, assertRefused(t, c, r, "header.If-Match").Status, path)
		r.Header = map[string]string{"If-Match": old.ETag}
		require.Equal(t, http.StatusPreconditionFailed, assertRefused(t, c, r, "").Status, path)
	}
	after, err := c.Cart(ctx, cart.ID)
	require.NoError(t, err)
	require.Equal(t, cart, after)

	page, err := c.Product(ctx, strings.ToLower(sku))
	require.NoError(t, err)
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		r := api.Request{Method: method, Path: "/api/v1/products/" + page.ID}
		if method == http.MethodPut {
			r.Body = productBody
		}
		require.Equal(t, http.StatusPreconditionRequired, assertRefused(t, staff(t), r, "header.If-Match").Status, method)
		r.Header = map[string]string{"If-Match": `"stale"`}
		require.Equal(t, http.StatusPreconditionFailed, assertRefused(t, staff(t), r, "").Status, method)
	}

	// Of several changes of the same version, one succeeds.
	errs := make([]error, 8)
	together(len(errs), func(i int) { _, errs[i] = c.SetItem(ctx, cart, sku, int64(i+2)) })
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		requireProblem(t, err, http.StatusPreconditionFailed, "precondition-failed")
	}
	require.Equal(t, 1, succeeded)
}
