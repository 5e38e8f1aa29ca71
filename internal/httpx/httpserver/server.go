// Package httpserver runs the HTTP server of a service: its operational routes (/healthz, /readyz, /metrics), the
// middleware of all requests, a limit for idle connections, and a shutdown that lets open requests finish.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"haberdash/internal/httpx"
)

// Server is the HTTP server of a service. It serves until its context ends and then shuts down in two steps: for
// LeaveTime it still accepts requests, while /readyz answers 503 and each response asks the client to close its
// connection; then it accepts no more and gives open requests DrainTime to finish.
type Server struct {
	Router   chi.Router // for the routes of the service; the operational routes are mounted already
	options  Options
	idle     *idleConns // nil: no limit
	ready    map[string]func(context.Context) error
	alive    []func() error
	draining atomic.Bool
}

// Options configure a Server.
type Options struct {
	// Address is the host:port to listen on.
	Address string
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

// New creates a server with the routes /healthz (see Alive), /readyz (see Ready) and /metrics.
func New(o Options) *Server {
	if o.DrainTime == 0 {
		o.DrainTime = 10 * time.Second
	}
	s := &Server{Router: chi.NewRouter(), options: o, ready: map[string]func(context.Context) error{}}
	if o.MaxIdleConns > 0 {
		s.idle = newIdleConns(o.MaxIdleConns)
	}
	s.Router.Use(s.closeConnections, httpx.Trace(o.Log), observe(o.Registry), httpx.Recover,
		requireAppToken(o.AppToken))
	s.Router.NotFound(httpx.NotFound)
	s.Router.MethodNotAllowed(httpx.MethodNotAllowed)
	s.Router.Get("/healthz", s.healthz)
	s.Router.Get("/readyz", s.readyz)
	s.Router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	return s
}

// Run listens on the address of the options and serves until ctx ends and the server has shut down. It returns an error
// if it cannot listen on the address.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.options.Address, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is like Run, but serves on a listener. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.Router, ReadHeaderTimeout: 5 * time.Second,
		// There is no ReadTimeout, because it would end streams and imports. The gateway limits the time of bodies.
		WriteTimeout: s.options.WriteTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return s.options.Log.WithContext(context.Background()) },
	}
	if s.idle != nil {
		server.ConnState, server.ConnContext = s.idle.connState, s.idle.connContext
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.options.Log.Info().Str("address", listener.Addr().String()).Msg("listening")
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
