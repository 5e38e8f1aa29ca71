package service

import (
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/roster"
)

// A route forwards a part of the public addresses to an app. An address without a route answers 404, above all
// /internal/, /events/ and the operational addresses of the apps.
type route struct {
	pattern   string // chi's; a final "/*" matches everything below
	app       string
	limit     protection.RateLimit // of requests that create something (POST); the others count only as browsing
	body      int64                // maximum in bytes; proxy.DefaultMaxBody if zero
	timeout   time.Duration        // proxy.DefaultTimeout if zero
	kind      protection.Kind      // a Stream is server-sent events: without end and compression
	mails     bool                 // the shop may write to any mailbox that the caller names
	throttled bool                 // each request is expensive, and the app refuses those that are too many
	cached    bool                 // reads without credentials are cached, as long as their Cache-Control permits
}

// The bounds of an import.
const (
	maxImport     = 64 << 20 // bytes
	importTimeout = 10 * time.Minute
)

// special are the routes that differ from the default. Their patterns lie within those of the roster.
var special = []route{
	{pattern: "/api/v1/products", app: roster.Catalog, cached: true},
	{pattern: "/api/v1/products/*", app: roster.Catalog, cached: true},
	{pattern: "/api/v1/products/import", app: roster.Catalog, kind: protection.Import,
		body: maxImport, timeout: importTimeout},
	{pattern: "/api/v1/categories", app: roster.Catalog, cached: true},
	{pattern: "/api/v1/categories/*", app: roster.Catalog, cached: true},
	{pattern: "/api/v1/media/*", app: roster.Catalog, cached: true},
	{pattern: "/media/*", app: roster.Catalog, cached: true},
	{pattern: "/api/v1/carts", app: roster.Cart, limit: protection.CartCreation},
	{pattern: "/api/v1/orders", app: roster.Orders, limit: protection.Placement, mails: true},
	{pattern: "/api/v1/orders/{id}/stream", app: roster.Orders, kind: protection.Stream},
	{pattern: "/api/v1/auth/*", app: roster.Users, limit: protection.SignIn},
	{pattern: "/api/v1/auth/login", app: roster.Users, limit: protection.SignIn, throttled: true},
	{pattern: "/api/v1/auth/register", app: roster.Users, limit: protection.SignIn, mails: true, throttled: true},
	{pattern: "/api/v1/auth/forgot-password", app: roster.Users, limit: protection.SignIn, mails: true},
	{pattern: "/api/v1/me/email", app: roster.Users, mails: true},
}

// routing is where the gateway forwards public addresses to.
type routing struct {
	routes  []route
	matcher chi.Routes // finds the pattern that matches an address; its handlers are never called
}

// newRouting routes to the apps of the shop and to those that have joined it.
func newRouting(joined roster.JoinedApps) *routing {
	list, matcher := allRoutes(joined), chi.NewRouter()
	for _, rt := range list {
		matcher.Method(http.MethodGet, rt.pattern, http.NotFoundHandler())
	}
	return &routing{list, matcher}
}

// allRoutes adds the patterns of the roster that are not special, and the dead letters of each app that has some.
func allRoutes(joined roster.JoinedApps) []route {
	list := slices.Clone(special)
	for _, app := range roster.Apps() {
		for _, pattern := range roster.PublicPatterns(app.ID) {
			if !slices.ContainsFunc(special, func(r route) bool { return r.pattern == pattern }) {
				list = append(list, route{pattern: pattern, app: app.ID})
			}
		}
	}
	for _, app := range joined {
		for _, pattern := range app.Patterns() {
			list = append(list, route{pattern: pattern, app: app.App})
		}
	}
	return list
}

// purging are the apps whose writes change cached answers: products, and how many of them are left.
var purging = []string{roster.Catalog, roster.Orders}

// isPublic reports whether the gateway routes a path of an app's document to this app.
func (r *routing) isPublic(app, path string) bool {
	pattern := r.matcher.Find(chi.NewRouteContext(), http.MethodGet, path)
	for _, rt := range r.routes {
		if rt.pattern == pattern {
			return rt.app == app
		}
	}
	return false
}
