// Package host runs a service: it reads the configuration, waits for the sidecar, serves HTTP, runs background work,
// and stops all of that in order.
//
// A service is a function Run that connects its parts and reads like a list:
//
//	func Run(ctx context.Context, h *host.Host) error {
//		config, err := host.Configure[Config](h)           // from the environment, checked and logged
//		log, err := host.OpenLog(ctx, h, roster.OrdersLog, …) // with its feed, audit, export and publisher
//		s := New(Deps{…})
//		h.Consume(s.consumer)                              // the events of other apps
//		h.Go("lifecycle", s.lifecycle.StartFromLog)        // background work
//		s.Mount(h.API)                                     // routes
//		return nil
//	}
//
// The HTTP server and the background work start when Run has returned without an error. At SIGTERM the host drains the
// HTTP server, ends the background work, calls the closers that OnClose has registered, the last one first, and then
// closes the connection to the sidecar.
package host

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/faultflag"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/identity"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
	"haberdash/internal/transfer"
)

// Host connects a service with its sidecar, its HTTP server and its lifecycle.
type Host struct {
	App      string
	Config   Config
	Log      zerolog.Logger
	Registry *prometheus.Registry
	Sidecar  *Sidecar
	Server   *httpserver.Server
	API      huma.API // the service's operations, with authentication and conditional requests; nil if it is public
	Verifier *identity.Verifier
	Faults   *faultflag.Flags // nil unless FAULT_FLAGS=on

	events    sidecar.Subscriber
	lifecycle lifecycle
	logs      []logapi.Log
	audits    []logapi.Auditor
	cursors   []transfer.Source // are exported first: see Consume
	exports   []transfer.Source
}

// State returns the state store of the service.
func (h *Host) State() sidecar.State { return h.Sidecar.state }

// Run connects the parts of a service: see the package comment.
type Run func(ctx context.Context, h *Host) error

// An Option changes how a service is hosted.
type Option func(*options)

type options struct{ public bool }

// Public hosts a service that anybody may call, and not only its sidecar. Its Host has no API.
func Public(o *options) { o.public = true }

// Main runs a service until SIGTERM or SIGINT. After an error it logs the error and exits the process with status 1.
func Main(app string, run Run, opts ...Option) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, app, o, run); err != nil {
		log := telemetry.NewLogger(os.Stderr, app, "")
		log.Error().Err(err).Msg("the service cannot go on")
		time.Sleep(exitDelay)
		os.Exit(1)
	}
}

// exitDelay is how long a failed service waits before it exits. Without it `dapr run` loses the last lines of the
// output, because it does not read the output to its end when the process has exited.
const exitDelay = 200 * time.Millisecond

func serve(ctx context.Context, app string, o options, run Run) error {
	config, err := parse[Config]()
	if err != nil {
		return err
	}
	if config.AppAPIToken == "" && !o.public {
		return errors.New("configuration: APP_API_TOKEN is not set: the service accepts only calls with this token, " +
			"which the sidecar must get too")
	}
	log := telemetry.NewLogger(os.Stdout, app, config.LogLevel)
	log.Info().Interface(field.Config, describe(config)).Msg("starting")
	ctx = log.WithContext(ctx)
	client, err := daprd.New(daprd.Options{
		HTTPPort: config.DaprHTTPPort, GRPCPort: config.DaprGRPCPort, APIToken: config.DaprAPIToken,
		SecretBundle: config.SecretBundle,
	})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := awaitSidecar(ctx, client, log); err != nil {
		return err
	}
	faults, err := newFaults(ctx, app, config, client)
	if err != nil {
		return err
	}
	h := newHost(app, config, o, log, client, faults)
	stopExport, err := telemetry.StartExport(ctx, app, log, h.Registry)
	if err != nil {
		return err
	}
	err = errors.Join(h.serve(ctx, run), h.lifecycle.close())
	exportLast(stopExport, log)
	if err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// exportTimeout is how long the last spans and metrics may take to reach the collector.
const exportTimeout = time.Second

// exportLast exports the spans that wait, and the last metrics. A collector that does not answer delays the end of the
// service by exportTimeout at most.
func exportLast(stop func(context.Context) error, log zerolog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), exportTimeout)
	defer cancel()
	if err := stop(ctx); err != nil {
		log.Warn().Err(err).Msg("the last spans or metrics are not exported")
	}
}

// serve calls run and then serves requests until ctx ends or background work fails.
func (h *Host) serve(ctx context.Context, run Run) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	// Background work has a context of its own, because open requests may need it until the server is drained.
	h.lifecycle.init(context.WithoutCancel(ctx), fail)
	if err := h.wire(run); err != nil {
		return err
	}
	h.lifecycle.start()
	if err := h.Server.Run(ctx); err != nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) { // no signal
		return cause
	}
	return nil
}

// wire calls run. With MOVE_IN=on it adds only the import of data, because the service itself would change the store
// during the import, publish events again, and send mail again.
func (h *Host) wire(run Run) error {
	if h.Config.ImportOnly {
		if h.API != nil {
			transfer.MountImport(h.API, h.App, h.State())
		}
		h.Log.Info().Msg("import mode (MOVE_IN=on): the service accepts an import of data and does nothing else")
		return nil
	}
	if app, _ := roster.Find(h.App); h.API != nil && !app.Stateless {
		if err := h.checkStore(h.lifecycle.ctx); err != nil {
			return err
		}
		h.markStoreUsed(h.lifecycle.ctx)
	}
	if err := run(h.lifecycle.ctx, h); err != nil {
		return err
	}
	if h.API != nil {
		h.mountOperations()
		h.mountFaults()
	}
	return nil
}

// awaitSidecar waits for the sidecar, at most a minute. It logs a warning if that takes longer than sidecarLate.
func awaitSidecar(ctx context.Context, client *daprd.Client, log zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	late := time.AfterFunc(sidecarLate, func() {
		if err := client.Healthy(ctx); err != nil {
			log.Warn().Err(err).Msg("waiting for the sidecar: see its log, it may not reach one of its components")
		}
	})
	defer late.Stop()
	return client.Wait(ctx)
}

// sidecarLate is how long a sidecar may take until awaitSidecar logs a warning.
const sidecarLate = 3 * time.Second

func newHost(
	app string, config Config, o options, log zerolog.Logger, client *daprd.Client, faults *faultflag.Flags,
) *Host {
	registry := telemetry.NewRegistry()
	settings := httpserver.Options{
		Address:  net.JoinHostPort(config.Interface, strconv.Itoa(config.Port)),
		AppToken: config.AppAPIToken, LeaveTime: config.LeaveTime, Log: log, Registry: registry,
	}
	if o.public {
		settings = PublicServerOptions(settings)
		if config.Operations > 0 {
			settings.Operations = net.JoinHostPort(config.Interface, strconv.Itoa(config.Operations))
		}
		BoundMemory()
	}
	server := httpserver.New(settings)
	server.Ready("sidecar", client.Healthy)
	measured := newSidecar(app, client, faults, registry)
	verifier := identity.NewVerifier(identity.NewCached(FetchKeys(measured), time.Now), time.Now)
	h := &Host{
		App: app, Config: config, Log: log, Registry: registry,
		Sidecar: measured, Server: server, Verifier: verifier, Faults: faults,
	}
	if !o.public {
		h.API = h.NewAPI(verifier)
		h.events = daprd.NewDeliveries(server.Router)
	}
	return h
}

// NewAPI creates an API whose requests pass the middleware and then the verifier of access tokens. Its operations are
// in the same OpenAPI document as those of Host.API, which most services use instead.
func (h *Host) NewAPI(verifier *identity.Verifier, middleware ...func(http.Handler) http.Handler) huma.API {
	middleware = append(middleware, h.Faults.Middleware, httpx.Authenticate(verifier), httpx.Conditional)
	routes := h.Server.Router.With(middleware...)
	if h.API != nil {
		return httpx.ExtendAPI(h.API, routes)
	}
	return httpx.NewAPI(routes, "Haberdash "+h.App)
}

// FetchKeys returns a function that reads the public keys of access tokens from the app users.
func FetchKeys(inv sidecar.Invoker) func(context.Context) (identity.JWKS, error) {
	return func(ctx context.Context) (set identity.JWKS, err error) {
		err = sidecar.Call(ctx, inv, "users", http.MethodGet, "/.well-known/jwks.json", nil, nil, &set)
		return set, err
	}
}

// PublicServerOptions adapts the options of a server for a public service, whose clients may be slow or hostile.
func PublicServerOptions(o httpserver.Options) httpserver.Options {
	o.Public, o.AppToken, o.WriteTimeout, o.MaxIdleConns = true, "", time.Minute, maxIdleConnections
	return o
}

// maxIdleConnections limits the idle connections of a public service. Each uses some tens of KB of memory.
const maxIdleConnections = 2000

// BoundMemory makes the garbage collector run rarely, and more often when the process has allocated much memory during
// a flood of requests. With Go's defaults it would run many times a second, because little memory is in use. The
// environment variables GOMEMLIMIT and GOGC take precedence.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// memoryLimit is the soft limit of the process's memory in bytes.
const memoryLimit = 200 << 20
