package service

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"haberdash/apps/gateway/service/protection"
)

// A route forwards a part of the public addresses to an app. An address without a route answers 404, above all
// /internal/, /events/ and the operational addresses of the apps.
type route struct {
	pattern   string // chi's; a final "/*" matches everything below
	app       string
	limit     protection.RateLimit // of requests that create something (POST); the others count only as browsing
	body      int64                // maximum in bytes; proxy.DefaultMaxBody if zero
	timeout   time.Duration        // proxy.DefaultTimeout if zero
	stream    bool                 // server-sent events: without end and compression
	throttled bool                 // each request is expensive, and the app refuses those that are too many
	cached    bool                 // reads without credentials are cached, as long as their Cache-Control permits
}

// The bounds of an import.
const (
	maxImport     = 64 << 20 // bytes
	importTimeout = 10 * time.Minute
)

var routes = []route{
	{pattern: "/api/v1/products", app: "catalog", cached: true},
	{pattern: "/api/v1/products/*", app: "catalog", cached: true},
	{pattern: "/api/v1/products/import", app: "catalog", body: maxImport, timeout: importTimeout},
	{pattern: "/api/v1/categories", app: "catalog", cached: true},
	{pattern: "/api/v1/categories/*", app: "catalog", cached: true},
	{pattern: "/api/v1/stock", app: "catalog"},
	{pattern: "/api/v1/stock/*", app: "catalog"},
	{pattern: "/api/v1/media/*", app: "catalog", cached: true},
	{pattern: "/media/*", app: "catalog", cached: true},
	{pattern: "/api/v1/carts", app: "cart", limit: protection.CartCreation},
	{pattern: "/api/v1/carts/*", app: "cart"},
	{pattern: "/api/v1/orders", app: "orders", limit: protection.Placement},
	{pattern: "/api/v1/orders/*", app: "orders"},
	{pattern: "/api/v1/orders/{id}/stream", app: "orders", stream: true},
	{pattern: "/api/v1/payments/*", app: "orders"},
	{pattern: "/api/v1/auth/*", app: "users", limit: protection.SignIn},
	{pattern: "/api/v1/auth/login", app: "users", limit: protection.SignIn, throttled: true},
	{pattern: "/api/v1/auth/register", app: "users", limit: protection.SignIn, throttled: true},
	{pattern: "/api/v1/me", app: "users"},
	{pattern: "/api/v1/me/*", app: "users"},
	{pattern: "/api/v1/users", app: "users"},
	{pattern: "/api/v1/users/*", app: "users"},
	{pattern: "/.well-known/jwks.json", app: "users"},
	// Each app serves its own dead letters. Catalog describes the operations, and answers for apps without dead
	// letters.
	{pattern: "/api/v1/dead-letters/{app}", app: "catalog"},
	{pattern: "/api/v1/dead-letters/{app}/*", app: "catalog"},
	{pattern: "/api/v1/dead-letters/cart", app: "cart"},
	{pattern: "/api/v1/dead-letters/cart/*", app: "cart"},
	{pattern: "/api/v1/dead-letters/orders", app: "orders"},
	{pattern: "/api/v1/dead-letters/orders/*", app: "orders"},
	{pattern: "/api/v1/dead-letters/notifications", app: "notifications"},
	{pattern: "/api/v1/dead-letters/notifications/*", app: "notifications"},
}

// purging are the apps whose writes change cached answers: products, and how many of them are left.
var purging = []string{"catalog", "orders"}

// apps are the apps that an order needs, in the order in which their documents are merged.
var apps = []string{"catalog", "cart", "orders", "users"}

// isPublic reports whether the gateway routes a path of an app's document to this app.
func isPublic(app, path string) bool {
	pattern := matcher.Find(chi.NewRouteContext(), http.MethodGet, path)
	for _, rt := range routes {
		if rt.pattern == pattern {
			return rt.app == app
		}
	}
	return false
}

// matcher finds the pattern that matches an address. Its handlers are never called.
var matcher = func() chi.Routes {
	r := chi.NewRouter()
	for _, rt := range routes {
		r.Method(http.MethodGet, rt.pattern, http.NotFoundHandler())
	}
	return r
}()
