// Package service is the gateway's edge: it lets the public API through to the services behind it, and
// nothing else.
//
// A request passes, in this order: security headers and CORS, the guard of addresses, the access token,
// the rate limit, read-only mode, compression, then its route's proxy or the documentation.
package service

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"

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
	Now      func() time.Time // time.Now if nil
}

// Gateway routes public requests to the services.
type Gateway struct {
	deps     Deps
	breakers map[string]*breaker
	limits   *limits
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
		h := g.slower(rt.limit)(g.proxy(rt))
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

// methods are those that reach a service, which may still refuse them. TRACE and CONNECT never do.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}
