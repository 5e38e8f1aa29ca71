package service_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
)

// joinCounting has every app answer with the number of its calls, in answers that may be cached.
func joinCounting(g *testGateway) {
	for _, app := range []string{"catalog", "cart", "orders", "users"} {
		calls := 0
		g.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, calls))
			if r.Method != http.MethodGet {
				calls--
			}
			fmt.Fprintf(w, "%d %s", calls, strings.Repeat("x", 2000))
		}))
	}
}

// cached reports whether an answer came from the cache.
func cached(w *httptest.ResponseRecorder) bool {
	return strings.HasPrefix(w.Header().Get("Cache-Status"), "haberdash; hit")
}

func TestOnlyPublicReadsOfTheCatalogueAreCached(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true, CacheMegabytes: 1})
	joinCounting(g)
	for path, want := range map[string]bool{
		"/api/v1/products": true, "/api/v1/products?q=hat": true, "/api/v1/products/hat": true,
		"/api/v1/categories": true, "/api/v1/categories/hats": true, "/media/hat.svg": true,
		"/api/v1/products/import": false, "/api/v1/stock/HAT": false, "/api/v1/carts/secret": false,
		"/api/v1/carts/secret/shipping-options": false, "/api/v1/orders/o": false, "/api/v1/orders": false,
		"/api/v1/me": false, "/api/v1/users": false, "/.well-known/jwks.json": false,
	} {
		g.send("GET", path, "")
		w := g.send("GET", path, "")
		require.Equal(t, want, cached(w), path)
		require.Equal(t, want, w.Header().Get("Age") != "", path)
	}
	staff := g.token(t, "staff", time.Now().Add(5*time.Minute))
	require.False(t, cached(g.send("GET", "/api/v1/products/hat", "", "Authorization", "Bearer "+staff)))
	require.False(t, cached(g.send("GET", "/api/v1/products/hat", "", "X-Order-Token", "x")))
	requireProblem(t, http.StatusUnauthorized, "invalid-token",
		g.send("GET", "/api/v1/products/hat", "", "Authorization", "Bearer x"))
}

func TestCachedAnswersEqualFreshOnes(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{
		RateLimit: true, CacheMegabytes: 1, CORSOrigins: []string{"https://shop.example"}})
	joinCounting(g)
	ask := func(method string, header ...string) *httptest.ResponseRecorder {
		return g.send(method, "/api/v1/products/hat", "", append(header, "Origin", "https://shop.example")...)
	}
	fresh, kept := ask("GET"), ask("GET")
	require.True(t, cached(kept))
	require.Equal(t, fresh.Body.String(), kept.Body.String())
	for name, values := range fresh.Header() {
		switch name {
		case "X-Request-Id", "Traceparent":
			require.NotEqual(t, values, kept.Header()[name])
		case "Cache-Status", "Ratelimit", "Ratelimit-Remaining":
		default:
			require.Equal(t, values, kept.Header()[name], name)
		}
	}
	require.Equal(t, "2002", kept.Header().Get("Content-Length"))
	require.Equal(t, http.StatusNotModified, ask("GET", "If-None-Match", `"1"`).Code)
	head := ask("HEAD")
	require.Empty(t, head.Body.String())
	require.Equal(t, "2002", head.Header().Get("Content-Length"))
	require.Empty(t, ask("GET", "Accept-Encoding", "gzip").Header().Get("Content-Encoding"), "its ETag is strong")
}

func TestWritesPurgeCachedAnswers(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true, CacheMegabytes: 1})
	joinCounting(g)
	for write, purges := range map[string]bool{
		"PUT /api/v1/products/hat": true, "POST /api/v1/products": true, "POST /api/v1/products/import": true,
		"DELETE /api/v1/categories/hats": true, "POST /api/v1/stock/HAT/adjustments": true,
		"POST /api/v1/orders": true, "POST /api/v1/orders/o/cancel": true,
		"POST /api/v1/payments/stripe/webhook": true, "POST /api/v1/dead-letters/catalog/x/replay": true,
		"POST /api/v1/carts": false, "PUT /api/v1/carts/c/items/HAT": false,
		"POST /api/v1/auth/login": false, "GET /api/v1/stock/HAT": false,
	} {
		g.send("GET", "/api/v1/products/hat", "")
		require.True(t, cached(g.send("GET", "/api/v1/products/hat", "")))
		method, path, _ := strings.Cut(write, " ")
		w := g.send(method, path, "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Header().Get("Cache-Status"))
		require.Equal(t, !purges, cached(g.send("GET", "/api/v1/products/hat", "")), write)
	}
}

func TestStaleAnswersAreServedWhileTheCatalogueIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true, CacheMegabytes: 1})
		up := true
		g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !up {
				panic("down")
			}
			w.Header().Set("Cache-Control", "public, max-age=1"+r.URL.Query().Get("more"))
		}))
		for _, path := range []string{"/api/v1/products", "/api/v1/products?more=,stale-if-error=60"} {
			require.Equal(t, http.StatusOK, g.send("GET", path, "").Code)
		}
		up = false
		time.Sleep(2 * time.Second)
		for range 10 { // the circuit breaker opens meanwhile
			w := g.send("GET", "/api/v1/products", "")
			requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/products?more=,stale-if-error=60", "").Code)
		}
	})
}
