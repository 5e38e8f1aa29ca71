// Package service is the gateway's edge: it lets the public API through to the services behind it, and
// nothing else.
//
// A request passes, in this order: security headers and CORS, the guard of addresses, the access token,
// the rate limit, read-only mode, compression, the valve of sign-ins or the cache of public reads, then its route's proxy
// or the documentation.
package service

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/apps/gateway/service/cache"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
)

// Deps is what the gateway is made of.
type Deps struct {
	Config   Config
	Invoker  sidecar.Invoker
	Verifier *identity.Verifier
	State    sidecar.State // for readOnly; without one there is no such mode
	Log      zerolog.Logger
	Metrics  prometheus.Registerer // none if nil
	Now      func() time.Time      // time.Now if nil
}

// Gateway routes public requests to the services.
type Gateway struct {
	deps     Deps
	breakers map[string]*breaker
	limits   *limits
	cache    *cache.Cache // nil: off
	health   *health
	document *document
	readOnly *readOnly
	handler  http.Handler
}

// New makes a gateway; it fails on a configuration that makes no sense.
func New(d Deps) (*Gateway, error) {
	if d.Config.RateLimit == "" {
		d.Config.RateLimit = "on"
	}
	if err := d.Config.check(); err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	g := &Gateway{
		deps: d, breakers: map[string]*breaker{},
		limits:   newLimits(d.Now),
		health:   newHealth(d.Invoker, d.Now),
		document: newDocument(d.Invoker, d.Now),
		readOnly: &readOnly{state: d.State, now: d.Now},
	}
	if d.Config.CacheMegabytes > 0 {
		g.cache = cache.New(cache.Options{Bytes: d.Config.CacheMegabytes << 20, Now: d.Now, Metrics: d.Metrics})
	}
	for _, r := range routes {
		if g.breakers[r.app] == nil {
			g.breakers[r.app] = newBreaker(r.app, d.Log)
		}
	}
	var err error
	g.handler, err = g.router()
	return g, err
}

// Mount puts the gateway on a server, beside the operational addresses there. sidecar tells whether the
// gateway's own sidecar works.
func (g *Gateway) Mount(s *httpx.Server, sidecar func(context.Context) error) {
	s.Ready("sidecar", plainly(sidecar))
	for _, app := range apps {
		s.Ready(app, func(ctx context.Context) error { return g.health.check(ctx, app) })
	}
	s.Router.Mount("/", g.handler)
}

func (g *Gateway) router() (http.Handler, error) {
	r := chi.NewRouter()
	r.NotFound(httpx.NotFound)
	r.MethodNotAllowed(httpx.MethodNotAllowed)
	r.Use(secure, g.cors(), guard, g.clientAddress(), g.admit, g.readOnly.guard)
	plain := r.With(compress)
	for _, rt := range routes {
		on := plain
		if rt.stream {
			on = r
		}
		h := g.remember(rt, g.proxy(rt))
		if rt.shed {
			h = g.shed(h)
		}
		h = g.slower(rt.limit)(h)
		for _, method := range methods {
			on.Method(method, rt.pattern, h)
		}
	}
	if g.deps.State != nil {
		own, document, err := g.readOnly.api()
		if err != nil {
			return nil, err
		}
		plain.Handle(readOnlyPath, own)
		g.document.own = document
	}
	docs := plain.With(httpx.Conditional)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		docs.MethodFunc(method, "/openapi.json", g.openAPI)
		docs.MethodFunc(method, "/docs", g.docs)
		docs.MethodFunc(method, "/", index)
	}
	return r, nil
}

// remember puts the cache before a route whose reads it may answer, and lets it forget after writes that change them.
func (g *Gateway) remember(rt route, h http.Handler) http.Handler {
	if g.cache == nil {
		return h
	}
	if rt.cached {
		h = httpx.Conditional(g.cache.Reads(h))
	}
	if slices.Contains(shown, rt.app) {
		h = g.cache.Writes(h)
	}
	return h
}

// methods are those that reach a service, which may still refuse them. TRACE and CONNECT never do.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}
