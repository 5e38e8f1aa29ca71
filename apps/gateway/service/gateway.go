// Package service is the gateway's edge: it forwards the public API to the services behind it, and nothing else.
//
// A request passes, in this order: security headers and CORS, the access token and the rate limit, the check for
// malformed requests, the methods of its address, read-only mode, the access to its operation if it has a body,
// compression, the rate limit of its route, the adaptive throttler of sign-ins or the cache of public reads, and then
// the proxy of its route or the documentation. Unknown addresses and operational ones pass the same middleware, so that
// every answer counts for the rate limit.
package service

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/api"
	"haberdash/apps/gateway/service/access"
	"haberdash/apps/gateway/service/cache"
	"haberdash/apps/gateway/service/docs"
	"haberdash/apps/gateway/service/protection"
	"haberdash/apps/gateway/service/proxy"
	"haberdash/apps/gateway/service/readonly"
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/identity"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
)

// Deps are the dependencies of a Gateway.
type Deps struct {
	State    sidecar.State // of read-only mode; nil: there is no such mode
	Invoker  sidecar.Invoker
	Verifier *identity.Verifier
	Log      zerolog.Logger
	Metrics  prometheus.Registerer // none if nil
	Now      func() time.Time      // time.Now if nil
	Config   Config
}

// Gateway routes public requests to the services.
type Gateway struct {
	deps      Deps
	upstreams map[string]*protection.Upstream // by app
	refusals  protection.Refusals
	limits    *protection.RateLimits // nil: off
	cache     *cache.Cache           // nil: off
	readOnly  *readonly.Switch
	readiness *readiness
	access    *access.Operations
	routing   *routing
	handler   http.Handler
}

// Run wires the gateway.
func Run(_ context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	gateway, err := New(Deps{State: h.State(), Invoker: h.Sidecar, Verifier: h.Verifier, Log: h.Log, Metrics: h.Registry,
		Now: time.Now, Config: config})
	if err != nil {
		return err
	}
	gateway.Mount(h.Server, h.Sidecar.Healthy)
	return nil
}

// New returns a gateway.
func New(d Deps) (*Gateway, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Metrics == nil {
		d.Metrics = prometheus.NewRegistry()
	}
	refusals := protection.NewRefusals(d.Metrics)
	g := &Gateway{
		deps:      d,
		upstreams: map[string]*protection.Upstream{},
		refusals:  refusals,
		readOnly:  readonly.New(d.State, d.Now, refusals[protection.ReadOnly]),
		readiness: &readiness{invoker: d.Invoker, now: d.Now},
		routing:   newRouting(d.Config.Joined),
	}
	var err error
	if g.access, err = operations(); err != nil {
		return nil, err
	}
	share := 0
	if d.Config.RateLimit {
		g.limits, share = protection.NewRateLimits(d.Now, refusals), d.Config.CallerShare
	}
	if d.Config.CacheMegabytes > 0 {
		g.cache = cache.New(cache.Options{
			Bytes: d.Config.CacheMegabytes << 20, Now: d.Now, Metrics: d.Metrics, Compress: g.compressStored,
		})
	}
	for _, r := range g.routing.routes {
		if g.upstreams[r.app] == nil {
			g.upstreams[r.app] = protection.NewUpstream(r.app, d.Invoker, share, refusals, d.Log)
		}
	}
	protection.MeasurePlaces(d.Metrics, g.upstreams)
	g.handler, err = g.router()
	return g, err
}

// operations are those of the reviewed document, which is compared with the running shop.
var operations = sync.OnceValues(func() (*access.Operations, error) { return access.Parse(api.OpenAPI) })

// Mount puts the gateway on a server, beside the server's operational addresses. sidecar checks the gateway's own
// sidecar.
func (g *Gateway) Mount(s *httpserver.Server, sidecar func(context.Context) error) {
	s.Ready("sidecar", withoutReason(sidecar))
	for _, app := range roster.Serving() {
		s.Ready(app, func(ctx context.Context) error { return g.readiness.check(ctx, app) })
	}
	s.Router.Mount("/", g.handler)
	s.Guard(g.middleware()...)
	s.LogRequests(g.deps.Config.Requests)
	if g.limits != nil {
		s.Admit(g.limits.Connections(g.deps.Config.trustedProxies()))
	}
}

// middleware is what every request passes, whatever its address and method.
func (g *Gateway) middleware() []func(http.Handler) http.Handler {
	list := []func(http.Handler) http.Handler{protection.SecurityHeaders, g.clientAddress()}
	if origins := g.deps.Config.CORSOrigins; len(origins) > 0 {
		list = append(list, g.limits.Preflights, protection.CORS(origins, methods))
	}
	return append(list, g.authenticate, protection.RejectMalformed(g.refusals), g.access.Methods, g.readOnly.RefuseWrites,
		g.access.BeforeBodies(g.refusals[protection.NotAllowed]))
}

func (g *Gateway) router() (http.Handler, error) {
	r := chi.NewRouter()
	r.NotFound(httpx.NotFound)
	r.MethodNotAllowed(httpx.MethodNotAllowed)
	compressed := r.With(g.compress)
	for _, rt := range g.routing.routes {
		router := compressed
		if rt.kind == protection.Stream {
			router = r
		}
		h := g.routeHandler(rt)
		for _, method := range methods {
			router.Method(method, rt.pattern, h)
		}
	}
	documentation := docs.Options{
		Apps: roster.Serving(), Joined: g.deps.Config.Joined, Public: g.routing.isPublic, Invoker: g.deps.Invoker,
		Now: g.deps.Now, Log: g.deps.Log,
	}
	if g.deps.State != nil {
		operations, document, err := g.readOnly.API()
		if err != nil {
			return nil, err
		}
		compressed.Handle(readonly.Path, operations)
		documentation.Own = document
	}
	handler, conditional := docs.New(documentation), compressed.With(httpx.Conditional)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		conditional.MethodFunc(method, "/openapi.json", handler.OpenAPI)
		conditional.MethodFunc(method, "/docs", handler.Page)
		conditional.MethodFunc(method, "/", docs.Index)
	}
	return r, nil
}

// routeHandler returns the proxy of a route, behind the route's rate limit, throttler and cache.
func (g *Gateway) routeHandler(rt route) http.Handler {
	h := proxy.New(proxy.Target{
		App: rt.app, Upstream: g.upstreams[rt.app], Refusals: g.refusals,
		MaxBody: rt.body, Timeout: rt.timeout, Kind: rt.kind,
	})
	if g.cache != nil && rt.cached {
		h = httpx.Conditional(g.cache.Reads(h))
	}
	if g.cache != nil && slices.Contains(purging, rt.app) {
		h = g.cache.Writes(h)
	}
	if rt.throttled {
		h = protection.NewThrottler(g.refusals).Middleware(h)
	}
	if rt.mails && g.limits != nil {
		h = g.limits.Creations(protection.Mailing, h)
	}
	if rt.limit != "" && g.limits != nil {
		h = g.limits.Creations(rt.limit, h)
	}
	return h
}

// methods are forwarded to the services, which may refuse them. TRACE and CONNECT are not forwarded.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions,
}
