// Package host runs a service. It reads the configuration, waits for the sidecar, serves HTTP, runs the background work
// and ends all of it in order.
//
// A service is one function that wires it, and reads like a list:
//
//	func Run(ctx context.Context, h *host.Host) error {
//		config, err := host.Configure[Config](h)           // from the environment, checked and logged
//		log, err := host.OpenLog(ctx, h, roster.OrdersLog, …) // its log: feed, audit, export, publication, close
//		s := New(Deps{…})
//		h.Consume(s.consumer)                              // events of other apps
//		h.Go("lifecycles", s.Lifecycles)                   // background work
//		s.Mount(h.API)                                     // routes
//		return nil
//	}
//
// Nothing runs before that function has returned without an error. At SIGTERM the service drains its HTTP server, then
// ends the background work, then runs what OnClose has registered, the last first, and closes the connection to the
// sidecar at the very end.
package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/identity"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/telemetry"
)

// Host is what a service is wired with.
type Host struct {
	App      string
	Config   Config
	Log      zerolog.Logger
	Registry *prometheus.Registry
	Sidecar  *daprd.Client
	Server   *httpserver.Server
	API      huma.API // behind authentication, with conditional reads; nil for a public service
	Verifier *identity.Verifier

	events    sidecar.Subscriber
	lifecycle lifecycle
	logs      []logapi.Log
	audits    []logapi.Auditor
	cursors   []moving.Source // are exported first: see Consume
	exports   []moving.Source
}

// State is the state store of the service.
func (h *Host) State() sidecar.State { return h.Sidecar.State(daprd.StateStore) }

// Run wires a service: see the package comment.
type Run func(ctx context.Context, h *Host) error

// An Option changes how a service is hosted.
type Option func(*options)

type options struct{ public bool }

// Public makes a service that the world may call, not only its sidecar. Its host has no API.
func Public(o *options) { o.public = true }

// Main runs a service until SIGTERM or SIGINT and exits the process: with 0 after a clean end, with 1 otherwise.
func Main(app string, run Run, opts ...Option) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, app, o, run); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", app, err)
		time.Sleep(exitDelay)
		os.Exit(1)
	}
}

// exitDelay is how long a failed service waits before it exits: `dapr run` loses what an app writes right before its
// exit, because it waits for the process before it has read its output to the end.
const exitDelay = 200 * time.Millisecond

func serve(ctx context.Context, app string, o options, run Run) error {
	config, err := parse[Config]()
	if err != nil {
		return err
	}
	if config.AppAPIToken == "" && !o.public {
		return errors.New("configuration: APP_API_TOKEN is not set: it tells calls of the sidecar, which gets the same token, from calls of others")
	}
	log := telemetry.NewLogger(os.Stdout, app, config.LogLevel)
	log.Info().Interface("config", describe(config)).Msg("starting")
	ctx = log.WithContext(ctx)
	client, err := daprd.New(daprd.Options{HTTPPort: config.DaprHTTPPort, GRPCPort: config.DaprGRPCPort, APIToken: config.DaprAPIToken,
		SecretBundle: config.SecretBundle})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := awaitSidecar(ctx, client, log); err != nil {
		return err
	}
	h := newHost(app, config, o, log, client)
	if err := errors.Join(h.serve(ctx, run), h.lifecycle.close()); err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// serve wires the service and serves requests until ctx ends, or until background work fails.
func (h *Host) serve(ctx context.Context, run Run) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// The wiring and background work outlive ctx, so that open requests can finish with them.
	h.lifecycle.init(context.WithoutCancel(ctx), fail)
	if err := h.wire(run); err != nil {
		return err
	}
	h.lifecycle.start()
	if err := h.Server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) { // a signal is a kind of Canceled
		return cause
	}
	return nil
}

// wire calls run, or, with MOVE_IN=on, only mounts the import of data: the service's own work would change the store
// during the import, publish events that were published before, and mail again.
func (h *Host) wire(run Run) error {
	if h.Config.MoveIn {
		if h.API != nil {
			moving.MountImport(h.API, h.App, h.State())
		}
		h.Log.Info().Msg("imports data into its store, and does nothing else")
		return nil
	}
	if h.API != nil {
		h.markStoreUsed(h.lifecycle.ctx)
	}
	if err := run(h.lifecycle.ctx, h); err != nil {
		return err
	}
	if h.API != nil {
		h.mountOperations()
	}
	return nil
}

// markStoreUsed keeps imports away from a store that the service has worked on. The service starts although the mark
// fails, because an import notices most such mistakes by itself.
func (h *Host) markStoreUsed(ctx context.Context) {
	if err := moving.Use(ctx, h.State(), time.Now()); err != nil {
		h.Log.Warn().Err(err).Msg("cannot mark the store as one that is in use")
	}
}

// awaitSidecar waits a minute for the sidecar, and logs after three seconds what it waits for.
func awaitSidecar(ctx context.Context, client *daprd.Client, log zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	late := time.AfterFunc(sidecarLate, func() {
		if err := client.Healthy(ctx); err != nil {
			log.Warn().Err(err).Msg("waiting for the sidecar: does it run, and does it reach its components? Its own log says")
		}
	})
	defer late.Stop()
	return client.Wait(ctx)
}

// sidecarLate is when a sidecar should have answered.
const sidecarLate = 3 * time.Second

func newHost(app string, config Config, o options, log zerolog.Logger, client *daprd.Client) *Host {
	registry := telemetry.NewRegistry()
	settings := httpserver.Options{
		Address:  net.JoinHostPort(config.Interface, strconv.Itoa(config.Port)),
		AppToken: config.AppAPIToken, LeaveTime: config.LeaveTime, Log: log, Registry: registry,
	}
	if o.public {
		settings = Facing(settings)
		BoundMemory()
	}
	server := httpserver.New(settings)
	server.Ready("sidecar", client.Healthy)
	verifier := identity.NewVerifier(identity.NewCached(FetchKeys(client), time.Now), time.Now)
	h := &Host{App: app, Config: config, Log: log, Registry: registry, Sidecar: client, Server: server, Verifier: verifier}
	if !o.public {
		h.API = h.NewAPI(verifier)
		h.events = daprd.NewDeliveries(server.Router)
	}
	return h
}

// NewAPI makes an API that verifies access tokens with verifier, behind further middleware. Most services use Host.API.
func (h *Host) NewAPI(verifier *identity.Verifier, middleware ...func(http.Handler) http.Handler) huma.API {
	routes := h.Server.Router.With(append(chi.Chain(middleware...), httpx.Authenticate(verifier), httpx.Conditional)...)
	return httpx.NewAPI(routes, "Haberdash "+h.App)
}

// FetchKeys reads the public keys of access tokens from users.
func FetchKeys(inv sidecar.Invoker) func(context.Context) (identity.JWKS, error) {
	return func(ctx context.Context) (set identity.JWKS, err error) {
		err = sidecar.Call(ctx, inv, "users", http.MethodGet, "/.well-known/jwks.json", nil, nil, &set)
		return set, err
	}
}

// Facing adapts the options of a server that the world may call: its clients may be slow, or hostile.
func Facing(o httpserver.Options) httpserver.Options {
	o.AppToken, o.WriteTimeout, o.MaxIdleConns = "", time.Minute, maxIdleConnections
	return o
}

// maxIdleConnections is how many connections may wait for their clients; each takes some tens of KB.
const maxIdleConnections = 2000

// BoundMemory has the garbage collector run early when memory grows during a flood of requests, and seldom otherwise:
// little memory is live, and the default would collect many times a second. GOMEMLIMIT and GOGC override it.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

const memoryLimit = 200 << 20 // bytes; a soft limit
