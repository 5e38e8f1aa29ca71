package service

import "time"

// A route lets a part of the public address space through to an app. What no route names is not there:
// above all /internal/, /events/ and the operational addresses of the apps.
type route struct {
	pattern string // chi's; a final "/*" is all that lies below
	app     string
	limit   limit // of requests that create something (POST); the others count as browsing
	body    int64 // bytes; maxBody if zero
	timeout time.Duration
	stream  bool // server-sent events: no end, no compression
	shed    bool // each is costly, and the app behind takes only so many: see valve
	cached  bool // reads without credentials are answered from memory, as long as their Cache-Control says
}

// Bounds of a request that its route does not set.
const (
	maxBody    = 1 << 20
	maxTimeout = 30 * time.Second
)

const (
	maxImport     = 64 << 20
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
	{pattern: "/api/v1/carts", app: "cart", limit: cartCreation},
	{pattern: "/api/v1/carts/*", app: "cart"},
	{pattern: "/api/v1/orders", app: "orders", limit: placement},
	{pattern: "/api/v1/orders/*", app: "orders"},
	{pattern: "/api/v1/orders/{id}/stream", app: "orders", stream: true},
	{pattern: "/api/v1/payments/*", app: "orders"},
	{pattern: "/api/v1/auth/*", app: "users", limit: signIn},
	{pattern: "/api/v1/auth/login", app: "users", limit: signIn, shed: true},
	{pattern: "/api/v1/auth/register", app: "users", limit: signIn, shed: true},
	{pattern: "/api/v1/me", app: "users"},
	{pattern: "/api/v1/me/*", app: "users"},
	{pattern: "/api/v1/users", app: "users"},
	{pattern: "/api/v1/users/*", app: "users"},
	{pattern: "/.well-known/jwks.json", app: "users"},
	// Each app serves its own dead letters. The first describes them all, and answers for apps that have none.
	{pattern: "/api/v1/dead-letters/{app}", app: "catalog"},
	{pattern: "/api/v1/dead-letters/{app}/*", app: "catalog"},
	{pattern: "/api/v1/dead-letters/cart", app: "cart"},
	{pattern: "/api/v1/dead-letters/cart/*", app: "cart"},
	{pattern: "/api/v1/dead-letters/orders", app: "orders"},
	{pattern: "/api/v1/dead-letters/orders/*", app: "orders"},
	{pattern: "/api/v1/dead-letters/notifications", app: "notifications"},
	{pattern: "/api/v1/dead-letters/notifications/*", app: "notifications"},
}

// shown are the apps whose writes change what cached routes answer: products, and what is left of them.
var shown = []string{"catalog", "orders"}

// apps are those that an order cannot be placed without, in the order in which their documents appear.
var apps = []string{"catalog", "cart", "orders", "users"}
