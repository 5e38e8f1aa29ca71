package httpx

import (
	"context"
	"encoding/json"
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
)

// Server serves one service's routes until its context ends, then drains: /readyz fails at once, for LeaveTime clients
// are served and asked to come back by another connection, then open requests get DrainTime to finish.
type Server struct {
	Router  chi.Router // mount routes here; the operational ones are there already
	address string
	leave   time.Duration
	drain   time.Duration
	write   time.Duration
	waiting *waiting // nil: any number
	ready   map[string]func(context.Context) error
	alive   []func() error
	closing atomic.Bool
	log     zerolog.Logger
}

// Options of a Server.
type Options struct {
	Address   string // host:port to listen on
	AppToken  string // see AppToken
	DrainTime time.Duration
	// LeaveTime is for whoever sends clients here to learn of the end, and for these to leave: a connection that is
	// closed while a request is on its way fails it. None if zero: where there is one replica, there is no other.
	LeaveTime time.Duration
	// WriteTimeout bounds the writing of each answer; a handler may move it. No bound if zero.
	WriteTimeout time.Duration
	// MaxWaiting bounds the connections that wait for their client to send something; beyond it, the one that has
	// waited the longest is closed. No bound if zero.
	MaxWaiting int
	Log        zerolog.Logger
	Registry   *prometheus.Registry
}

// NewServer makes a server with /healthz (alive, and every check of Alive passes), /readyz (every check of Ready
// passes) and /metrics.
func NewServer(o Options) *Server {
	s := &Server{Router: chi.NewRouter(), address: o.Address, leave: o.LeaveTime, drain: o.DrainTime, write: o.WriteTimeout, log: o.Log, ready: map[string]func(context.Context) error{}}
	if s.drain == 0 {
		s.drain = 10 * time.Second
	}
	if o.MaxWaiting > 0 {
		s.waiting = newWaiting(o.MaxWaiting)
	}
	s.Router.Use(s.leaving, Trace(o.Log), Observe(o.Registry), Recover, AppToken(o.AppToken))
	s.Router.NotFound(NotFound)
	s.Router.MethodNotAllowed(MethodNotAllowed)
	s.Router.Get("/healthz", s.healthz)
	s.Router.Get("/readyz", s.readyz)
	s.Router.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	return s
}

// Alive adds a check to /healthz, which the sidecar looks at every few seconds. It must not wait: a service whose
// check fails gets neither calls nor events. Call it before Run.
func (s *Server) Alive(check func() error) { s.alive = append(s.alive, check) }

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	for _, check := range s.alive {
		if err := check(); err != nil {
			writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": err.Error()})
			return
		}
	}
	writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
}

// Ready adds a check to /readyz. Call it before Run.
func (s *Server) Ready(name string, check func(context.Context) error) { s.ready[name] = check }

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status, checks := http.StatusOK, map[string]string{}
	if s.closing.Load() {
		status, checks["shutdown"] = http.StatusServiceUnavailable, "draining"
	}
	for name, check := range s.ready {
		checks[name] = "ok"
		if err := check(ctx); err != nil {
			status, checks[name] = http.StatusServiceUnavailable, err.Error()
		}
	}
	writeStatus(w, status, map[string]any{"status": http.StatusText(status), "checks": checks})
}

func writeStatus(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff") // the gateway's own are public
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// Run serves until ctx ends and the drain is over. It fails when the address cannot be listened on.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.address, err)
	}
	return s.Serve(ctx, listener)
}

// Serve is Run on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s.Router, ReadHeaderTimeout: 5 * time.Second, // no ReadTimeout: it would end streams and imports; the gateway bounds bodies
		WriteTimeout: s.write, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		BaseContext: func(net.Listener) context.Context { return s.log.WithContext(context.Background()) },
	}
	if s.waiting != nil {
		server.ConnState, server.ConnContext = s.waiting.state, s.waiting.context
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.log.Info().Str("address", listener.Addr().String()).Msg("listening")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.closing.Store(true)
	select {
	case err := <-failed:
		return err
	case <-time.After(s.leave):
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.drain)
	defer cancel()
	if err := server.Shutdown(drain); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("drain: %w", err)
	}
	return server.Close()
}

// leaving has clients that keep their connections open make new ones, which reach another replica.
func (s *Server) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.closing.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
