package service_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/roster"
)

func pathUnescape(p string) (string, error) { return url.PathUnescape(p) }

func TestRoutesForwardToTheirApps(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	for path, app := range map[string]string{
		"/api/v1/products": "catalog", "/api/v1/products/mug": "catalog", "/api/v1/products/import": "catalog",
		"/api/v1/categories": "catalog", "/api/v1/categories/mugs": "catalog", "/api/v1/stock/a:b/history": "catalog",
		"/media/mug.svg": "catalog", "/api/v1/carts": "cart", "/api/v1/carts/c/items/50%25OFF": "cart",
		"/api/v1/orders": "orders", "/api/v1/orders/o/events": "orders", "/api/v1/orders/o/stream": "orders",
		"/api/v1/payments/stripe": "orders", "/api/v1/auth/login": "users", "/api/v1/me": "users",
		"/api/v1/dead-letters/catalog": "catalog", "/api/v1/dead-letters/cart": "cart",
		"/api/v1/dead-letters/nobody": "catalog", "/api/v1/dead-letters/orders": "orders",
		"/api/v1/dead-letters/notifications/users::1/replay": "notifications",
		"/api/v1/dead-letters/cart/orders:orders:7":          "cart",
		"/api/v1/dead-letters/orders/users:users:7/replay":   "orders",
		"/api/v1/me/addresses/a":                             "users", "/api/v1/users/u/roles": "users",
		"/.well-known/jwks.json": "users",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			w := g.send(method, path+"?a=1&a=2&b=x%20y", "")
			e := echoOf(t, w)
			require.Equal(t, app, w.Header().Get("App"), path)
			require.Equal(t, method, e.Method)
			require.Equal(t, path, e.Path)
			require.Equal(t, map[string][]string{"a": {"1", "2"}, "b": {"x y"}}, e.Query)
		}
	}
}

func TestAddressesWithoutARouteAreNotFound(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	for _, path := range []string{
		"/internal/quotes", "/internal", "/internal/consumers", "/internal/contacts", "/feed/orders",
		"/api/v1/dead-letters", "/events/cart-dead", "/events/orders", "/api/v1", "/api/v1/", "/api/v1/orders/",
		"/api/v1/carts/", "/docs/", "/api/v1/productsX", "/api/v1/%70roducts",
		"/API/V1/products", "/api/v1/internal/x", "/api/v2/products", "/.well-known/other", "/feed/0",
		"/v1.0/invoke/cart/method/x",
		"/catalog/readyz", "/api/v1/metrics", "/metrics", "/debug/pprof/",
		"/dapr/config", "/openapi.yaml", "/openapi-3.0.json",
		"/catalog/openapi.json",
	} {
		requireProblem(t, http.StatusNotFound, "not-found", g.send("GET", path, ""))
	}
	requireProblem(t, http.StatusMethodNotAllowed, "method-not-allowed", g.send("TRACE", "/api/v1/products", ""))
	requireProblem(t, http.StatusMethodNotAllowed, "method-not-allowed", g.send("CONNECT", "/api/v1/products", ""))
	requireProblem(t, http.StatusMethodNotAllowed, "method-not-allowed", g.send("BREW", "/api/v1/products", ""))
}

func TestAmbiguousAddressesAreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	for _, path := range []string{
		"/api/v1/products/../../../internal/variants", "/api/v1/products/%2e%2e/%2e%2e/internal",
		"/api/v1/products/.%2E/x",
		"/api/v1/products/%252e%252e/internal", "/api/v1/products/%25252e%25252e/internal", "/api/v1/products/./x",
		"/api/v1/products/%2f..%2finternal", "/api/v1/products/a%2Fb", "/api/v1/products/a%252fb", "//internal/quotes",
		"/api/v1/products//x", "/api//v1/products", "/api/v1/products/a\\b", "/api/v1/products/a%5cb",
		"/api/v1/products/a%255Cb",
		"/api/v1/products/%00", "/api/v1/products/a%2500", "/api/v1/products/%0d%0aX-Y:1", "/api/v1/products/%7f",
		"/api/v1/products/%ff", "/..", "/.", "/healthz/../internal/x", "/api/v1/products/%2525252525252561",
	} {
		p := requireProblem(t, http.StatusBadRequest, "malformed-request", g.send("GET", path, ""))
		require.Contains(t, p["errors"].([]any)[0], "location", path)
	}
	requireProblem(t, http.StatusBadRequest, "malformed-request", g.send("GET", "/api/v1/products?q=%zz", ""))
	requireProblem(t, http.StatusBadRequest, "malformed-request", g.send("GET", "/api/v1/products?a=1;b=2", ""))
	p := requireProblem(t, http.StatusUnprocessableEntity, "invalid-request",
		g.send("GET", "/api/v1/products?q=%ff", ""))
	require.Equal(t, []any{map[string]any{"location": "query.q", "message": "is not UTF-8"}}, p["errors"])
	requireProblem(t, http.StatusUnprocessableEntity, "invalid-request", g.send("GET", "/api/v1/products?%ff=q", ""))
}

func TestPrivateHeadersAreRemoved(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	w := g.send("GET", "/api/v1/products", "",
		"dapr-app-id", "users", "Dapr-Api-Token", "x", "dapr-callee-app-id", "x", "grpc-timeout", "1n",
		"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Host", "evil", "X-Forwarded-User", "admin",
		"Forwarded", "for=1.2.3.4", "X-Real-Ip", "1.2.3.4",
		"Connection", "keep-alive, X-Secret-Hop", "X-Secret-Hop", "1", "Keep-Alive", "1", "Te", "gzip",
		"Proxy-Authorization", "x",
		"Upgrade", "websocket", "Expect", "100-continue", "Cookie", "a=b", "baggage", "a=b", "tracestate", "a=b",
		"Accept-Encoding", "gzip",
		"X-Order-Token", "kept", "Idempotency-Key", "kept", "X-Request-Id", "mine-1",
		"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	)
	e := echoOf(t, w)
	for _, name := range []string{
		"Dapr-App-Id", "Dapr-Api-Token", "Dapr-Callee-App-Id", "Grpc-Timeout", "X-Forwarded-Host",
		"X-Forwarded-User", "Forwarded", "X-Real-Ip",
		"Connection", "X-Secret-Hop", "Keep-Alive", "Te", "Proxy-Authorization", "Upgrade", "Expect", "Cookie",
		"Baggage", "Tracestate", "Accept-Encoding",
	} {
		require.NotContains(t, e.Header, name)
	}
	require.Equal(t, []string{"192.0.2.1"}, e.Header["X-Forwarded-For"])
	require.Equal(t, "kept", e.Header.Get("X-Order-Token"))
	require.Equal(t, "kept", e.Header.Get("Idempotency-Key"))
	require.Equal(t, []string{"mine-1"}, e.Header["X-Request-Id"])
	require.Len(t, e.Header["Traceparent"], 1)
	require.NotContains(t, e.Header.Get("Traceparent"), "0af7651916cd43dd8448eb211c80319c", "it is only linked")
	require.NotContains(t, e.Header.Get("Traceparent"), "b7ad6b7169203331")
}

func TestTrustedProxiesNameTheClientsAddress(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true, TrustedProxies: []string{"192.0.2.0/24"}})
	joinEcho(g)
	e := echoOf(t, g.send("GET", "/api/v1/products", "", "X-Forwarded-For", "6.6.6.6, 203.0.113.9"))
	require.Equal(t, []string{"203.0.113.9"}, e.Header["X-Forwarded-For"])
}

func TestAnswersHaveOneTraceAndOneRequestID(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		w.Header().Set("traceparent", r.Header.Get("traceparent"))
		w.Header().Set("Content-Security-Policy", "default-src *")
		w.Header().Set("Server", "x")
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, path := range []string{"/api/v1/products", "/api/v1/carts", "/nowhere", "/a//b", "/healthz", "/", "/docs"} {
		h := g.send("GET", path, "", "X-Request-Id", "mine").Header()
		require.Equal(t, []string{"mine"}, h.Values("X-Request-Id"), path)
		require.Len(t, h.Values("traceparent"), 1, path)
		require.Empty(t, h.Values("Server"))
	}
	h := g.send("GET", "/api/v1/products", "").Header()
	require.Len(t, h.Get("X-Request-Id"), 32)
	require.Equal(t, []string{"default-src 'none'; frame-ancestors 'none'"}, h.Values("Content-Security-Policy"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
}

func TestAccessTokensAreVerifiedAndForwarded(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	good := g.token(t, "u1", time.Now().Add(time.Minute))
	e := echoOf(t, g.send("GET", "/api/v1/me", "", "Authorization", "bearer "+good))
	require.Equal(t, []string{"Bearer " + good}, e.Header["Authorization"])
	require.NotContains(t, echoOf(t, g.send("GET", "/api/v1/me", "")).Header, "Authorization")

	for _, header := range []string{
		"Bearer " + g.token(t, "u1", time.Now().Add(-time.Minute)), "Bearer " + good + "x", "Bearer x", "Bearer ",
		"Basic dTpw", "x",
	} {
		w := g.send("GET", "/api/v1/products", "", "Authorization", header)
		requireProblem(t, http.StatusUnauthorized, "invalid-token", w)
		require.NotEmpty(t, w.Header().Get("WWW-Authenticate"))
	}
	requireProblem(t, http.StatusUnauthorized, "invalid-token",
		g.send("GET", "/api/v1/me", "", "Authorization", "Bearer "+good, "Authorization", "Bearer "+good))
}

func TestHEADIsForwardedAsGETAndAnsweredWithoutABody(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, http.MethodGet, r.Method)
		w.Header().Set("ETag", `"1"`)
		echo(w, r)
	}))
	w := g.send("HEAD", "/api/v1/products/mug", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	require.Empty(t, w.Body.String())
}

func TestInvalidConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []service.Config{
		{CacheMegabytes: -1}, {CORSOrigins: []string{"shop.example"}},
		{CORSOrigins: []string{"https://shop.example/x"}}, {TrustedProxies: []string{"10.0.0.1"}},
	} {
		require.Error(t, c.Check())
	}
}

// The access rules of dapr/secure come from the patterns of the roster, so a route outside them would be refused.
func TestSpecialRoutesLieWithinTheRoster(t *testing.T) {
	t.Parallel()
	for _, r := range service.SpecialRoutes() {
		public := roster.PublicPatterns(r.App)
		require.True(t, slices.ContainsFunc(public, func(pattern string) bool {
			below, all := strings.CutSuffix(pattern, "*")
			return r.Pattern == pattern || all && strings.HasPrefix(r.Pattern, below)
		}), "%s of %s", r.Pattern, r.App)
	}
}
