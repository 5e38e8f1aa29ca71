// Package httpserver runs the HTTP server of a service: its operational routes (/healthz, /readyz, /metrics,
// /debug/pprof/), the middleware of all requests, a limit for idle connections, and a shutdown that lets open requests
// finish.
//
// A public server shows strangers only whether it is healthy and ready. Its metrics, its profiles and the details of
// its readiness are at another address, for operators.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"haberdash/internal/httpx"
	"haberdash/internal/telemetry/field"
)

// Server is the HTTP server of a service. It serves until its context ends and then shuts down in two steps: for
// LeaveTime it still accepts requests, while /readyz answers 503 and each response asks the client to close its
// connection; then it accepts no more and gives open requests DrainTime to finish.
type Server struct {
	Router   chi.Router // for the routes of the service; the operational routes are mounted already
	options  Options
	guarded  atomic.Pointer[http.Handler] // the routes behind the middleware of Guard
	routes   http.Handler                 // the routes without it
	idle     *idleConns                   // nil: no limit
	ready    map[string]*readyCheck
	alive    []func() error
	draining atomic.Bool
	admit    func(netip.Addr) bool // see Admit; nil: all
	requests RequestLog            // see LogRequests
	refusals zerolog.Sampler       // bounds the lines of refused requests
}

// Options configure a Server.
type Options struct {
	// Address is the host:port to listen on.
	Address string
	// Public says that strangers may send requests. Their traces are linked instead of continued, and no answer waits
	// for the rest of a body (see closeUnread).
	Public bool
	// Operations is the host:port for operators of a public server: /metrics, /debug/pprof/, and /readyz with the results
	// of all checks. None if it is empty. A server that is not public serves them at Address.
	Operations string
	// AppToken is the token that the sidecar sends with every request (Dapr's app API token). The server refuses
	// requests without it, except those for operational routes. If it is empty, the server accepts all requests.
	AppToken string
	// DrainTime is how long open requests may take after the server has stopped accepting requests; 10 s if zero.
	DrainTime time.Duration
	// LeaveTime is how long the server still accepts requests after its context has ended. It gives load balancers time
	// to notice, and clients time to close their connections: a request on a connection that the server closes fails.
	// Leave it zero if there is only one replica, because clients then have no other to turn to.
	LeaveTime time.Duration
	// WriteTimeout limits the time to write a response; no limit if zero. A handler may change it for its response.
	WriteTimeout time.Duration
	// MaxIdleConns limits the connections on which the server waits for the client: for the first request, for the next
	// one, or for the rest of a body (see AwaitBody). When there are more, the server closes the connection that has
	// waited longest. No limit if zero.
	MaxIdleConns int
	Log          zerolog.Logger
	Registry     *prometheus.Registry // what /metrics serves
}

// New creates a server with the routes /healthz (see Alive), /readyz (see Ready), /metrics and /debug/pprof/.
func New(o Options) *Server {
	if o.DrainTime == 0 {
		o.DrainTime = 10 * time.Second
	}
	s := &Server{
		Router: chi.NewRouter(), options: o, ready: map[string]*readyCheck{},
		requests: LogErrors, refusals: &zerolog.BurstSampler{Burst: refusalsPerSecond, Period: time.Second},
	}
	o.Registry.MustRegister(readiness{s})
	if o.MaxIdleConns > 0 {
		s.idle = newIdleConns(o.MaxIdleConns)
	}
	trace, ready := httpx.Trace, s.readyz
	if o.Public {
		trace, ready = httpx.LinkTrace, s.readyzWithoutChecks
	}
	s.Router.Use(s.closeConnections, trace(o.Log), s.observe(o.Registry))
	if o.Public {
		s.Router.Use(closeUnread)
	}
	s.Router.Use(httpx.Recover, requireAppToken(o.AppToken), s.guard)
	s.Router.NotFound(httpx.NotFound)
	s.Router.MethodNotAllowed(httpx.MethodNotAllowed)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		s.Router.MethodFunc(method, "/healthz", s.healthz)
		s.Router.MethodFunc(method, "/readyz", ready)
	}
	if !o.Public {
		s.Router.Method(http.MethodGet, "/metrics", s.metrics())
		s.Router.Mount(httpx.Profiles, refuseSidecar(profiles()))
	}
	return s
}

// metrics serves the metrics. Exemplars are in the format OpenMetrics only, for which a scraper must ask.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(s.options.Registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Guard adds middleware before all routes, the operational ones and unknown addresses included. Call Guard once, before
// Run.
func (s *Server) Guard(middleware ...func(http.Handler) http.Handler) {
	guarded := chi.Chain(middleware...).Handler(s.routes)
	s.guarded.Store(&guarded)
}

// guard passes requests to the middleware of Guard. chi wants to know its middleware before the first route, and the
// service that calls Guard is created later.
func (s *Server) guard(routes http.Handler) http.Handler {
	s.routes = routes
	s.guarded.Store(&routes)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.guarded.Load()).ServeHTTP(w, r) })
}

// OperationsHandler returns the handler of Options.Operations.
func (s *Server) OperationsHandler() http.Handler {
	r := chi.NewRouter()
	r.Use(httpx.Recover)
	r.NotFound(httpx.NotFound)
	r.MethodNotAllowed(httpx.MethodNotAllowed)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Method(http.MethodGet, "/metrics", s.metrics())
	r.Mount(httpx.Profiles, profiles())
	return r
}

// Run listens on the address of the options and serves until ctx ends and the server has shut down. It returns an error
// if it cannot listen on the address.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.options.Address, err)
	}
	if s.options.Operations == "" {
		return s.Serve(ctx, listener)
	}
	operations, err := net.Listen("tcp", s.options.Operations)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w", s.options.Operations, err), listener.Close())
	}
	operator := &http.Server{
		Handler: s.OperationsHandler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return s.options.Log.WithContext(context.Background()) },
	}
	go func() { _ = operator.Serve(operations) }() // until Close
	defer func() { _ = operator.Close() }()        // last, so that operators see the server shut down
	return s.Serve(ctx, listener)
}

// idleTime is how long a connection may be idle between two requests. Go's clients, and so Dapr's sidecars, close
// theirs after 90 seconds.
const idleTime = 2 * time.Minute

// strangersHeaderTime is how long a stranger may take to send the header of a request.
const strangersHeaderTime = 10 * time.Second

// headerTime is how long a new connection may take until it has sent the header of its first request. HTTP clients also
// open connections in reserve. A request on one of them that the server closes at that moment fails, so those of the
// sidecar may wait as long as idle ones.
func (s *Server) headerTime() time.Duration {
	if s.options.Public {
		return strangersHeaderTime
	}
	return idleTime
}

// Serve is like Run, but serves on a listener. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.Router, ReadHeaderTimeout: s.headerTime(),
		// There is no ReadTimeout, because it would end streams and imports. The gateway limits the time of bodies.
		WriteTimeout: s.options.WriteTimeout, IdleTimeout: idleTime, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return s.options.Log.WithContext(context.Background()) },
		// The library would answer OPTIONS * itself, without the middleware.
		DisableGeneralOptionsHandler: true,
	}
	if s.idle != nil {
		server.ConnState, server.ConnContext = s.idle.connState, s.idle.connContext
	}
	if s.admit != nil {
		listener = newAdmissions(listener, s.admit, s.options.Registry)
	}
	go s.refreshReadiness(ctx, readyAge)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.options.Log.Info().Str(field.Address, listener.Addr().String()).Msg("listening")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	select {
	case err := <-failed:
		return err
	case <-time.After(s.options.LeaveTime):
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.DrainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain: %w", err)
	}
	return server.Close()
}
