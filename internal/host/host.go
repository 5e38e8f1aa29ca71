// Package host is the shell that every service runs in: configuration from the environment, logger,
// sidecar, verified callers, HTTP server with problems and metrics, signals and drain.
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

	"github.com/caarlos0/env/v11"
	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/telemetry"
)

// Config is what every service reads from its environment. APP_PORT and the DAPR ports are set by
// `dapr run` and by Dapr's injector.
type Config struct {
	Port         int    `env:"APP_PORT,required"`
	Interface    string `env:"LISTEN_INTERFACE" envDefault:"127.0.0.1"`
	DaprHTTPPort int    `env:"DAPR_HTTP_PORT" envDefault:"3500"`
	DaprGRPCPort int    `env:"DAPR_GRPC_PORT" envDefault:"50001"`
	AppAPIToken  string `env:"APP_API_TOKEN" json:"-"`
	DaprAPIToken string `env:"DAPR_API_TOKEN" json:"-"`
	LogLevel     string `env:"LOG_LEVEL" envDefault:"info"`
	SecretBundle string `env:"SECRET_BUNDLE"`            // see daprd.Options
	MoveIn       string `env:"MOVE_IN" envDefault:"off"` // on: see moveIn
	// LeaveTime is httpx.Options' LeaveTime.
	LeaveTime time.Duration `env:"LEAVE_TIME" envDefault:"0s"`
}

// Host is what a service is wired with.
type Host struct {
	App      string
	Config   Config
	Log      zerolog.Logger
	Registry *prometheus.Registry
	Sidecar  *daprd.Client
	Server   *httpx.Server
	Routes   chi.Router // authenticated routes, with conditional reads
	API      huma.API   // on Routes
	Events   sidecar.Subscriber
	Verifier *identity.Verifier
	stop     context.CancelCauseFunc
}

// An Option changes how a service is hosted.
type Option func(*options)

type options struct{ public bool }

// Public lets everyone in, not only the sidecar. The host then has no Routes and no API of its own.
func Public(o *options) { o.public = true }

// Facing are the options of a server that faces the world, whose clients may be slow, or mean to be.
func Facing(o httpx.Options) httpx.Options {
	o.AppToken, o.WriteTimeout, o.MaxWaiting = "", time.Minute, maxWaiting
	return o
}

// maxWaiting is how many connections may wait for their clients, at some tens of KB each.
const maxWaiting = 2000

// BoundMemory has the garbage of a flood collected before it piles up, and that of common days seldom: what lives is
// little, and would be looked through many times a second. GOMEMLIMIT and GOGC override it.
func BoundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

const memoryLimit = 200 << 20 // bytes; soft

// lastWords is how long a service that failed stays to be read: `dapr run` drops what an app wrote right
// before it exited, because it waits for the process before it has emptied its pipes.
const lastWords = 200 * time.Millisecond

// Main runs a service until SIGTERM or SIGINT and exits the process: 0 after a clean end, 1 otherwise.
// wire mounts routes and starts the service's own work, which ends with ctx; what it returns as closing,
// if anything, runs after the drain.
func Main(app string, wire func(ctx context.Context, h *Host) (closing func(context.Context) error, err error), opts ...Option) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, app, o, wire); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", app, err)
		time.Sleep(lastWords)
		os.Exit(1)
	}
}

func run(ctx context.Context, app string, o options, wire func(context.Context, *Host) (func(context.Context) error, error)) error {
	config, err := env.ParseAs[Config]()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if config.AppAPIToken == "" && !o.public {
		return errors.New("configuration: APP_API_TOKEN is not set: without it whoever reaches the port passes for the sidecar, which is given the same")
	}
	log := telemetry.NewLogger(os.Stdout, app, config.LogLevel)
	ctx, fail := context.WithCancelCause(log.WithContext(ctx))
	defer fail(nil)
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
	h.stop = fail
	switch config.MoveIn {
	case "on":
		wire = moveIn
	case "off":
		h.useStore(ctx)
	default:
		return fmt.Errorf("MOVE_IN=%s is unknown: the choices are on, off", config.MoveIn)
	}
	// Background work outlives the drain, so that requests under way can finish with it.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	closing, err := wire(work, h)
	if err != nil {
		return err
	}
	log.Info().Interface("config", config).Msg("starting")
	if err := h.Server.Run(ctx); err != nil {
		return err
	}
	if closing != nil {
		last, cancel := context.WithTimeout(work, 10*time.Second)
		defer cancel()
		if err := closing(last); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) { // a signal is a kind of Canceled
		return cause
	}
	log.Info().Msg("stopped")
	return nil
}

// awaitSidecar gives the sidecar a minute. Who looks why nothing happens is told sooner.
func awaitSidecar(ctx context.Context, client *daprd.Client, log zerolog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	late := time.AfterFunc(late, func() {
		if err := client.Healthy(ctx); err != nil {
			log.Warn().Err(err).Msg("waiting for the sidecar: is there one, and does it reach its components? Its own log says")
		}
	})
	defer late.Stop()
	return client.Wait(ctx)
}

// late is when a sidecar should have been there.
const late = 3 * time.Second

func newHost(app string, config Config, o options, log zerolog.Logger, client *daprd.Client) *Host {
	registry := telemetry.NewRegistry()
	settings := httpx.Options{
		Address:  net.JoinHostPort(config.Interface, strconv.Itoa(config.Port)),
		AppToken: config.AppAPIToken, LeaveTime: config.LeaveTime, Log: log, Registry: registry,
	}
	if o.public {
		settings = Facing(settings)
		BoundMemory()
	}
	server := httpx.NewServer(settings)
	server.Ready("sidecar", client.Healthy)
	verifier := identity.NewVerifier(identity.NewCached(FetchKeys(client), time.Now), time.Now)
	h := &Host{App: app, Config: config, Log: log, Registry: registry, Sidecar: client, Server: server, Verifier: verifier}
	if !o.public {
		h.Routes = server.Router.With(httpx.Authenticate(verifier), httpx.Conditional)
		h.API = httpx.NewAPI(h.Routes, "Haberdash "+app)
		h.Events = daprd.NewDeliveries(server.Router)
	}
	return h
}

// moveIn is the wiring of a service that does nothing but take what another state store had. Its own work would
// change the store under the import: publish what was published, mail what was mailed, make keys of its own.
func moveIn(_ context.Context, h *Host) (func(context.Context) error, error) {
	if h.API != nil {
		moving.MountImport(h.API, h.App, h.Sidecar.State(daprd.StateStore))
	}
	h.Log.Info().Msg("waits for what is moved into its store, and does nothing else")
	return nil, nil
}

// useStore keeps imports away from a store that the service has worked on. Who is public keeps nothing that is moved.
// That it fails is no reason not to start: it spares a mistake, of which an import notices most by itself.
func (h *Host) useStore(ctx context.Context) {
	if h.API == nil {
		return
	}
	if err := moving.Use(ctx, h.Sidecar.State(daprd.StateStore), time.Now()); err != nil {
		h.Log.Warn().Err(err).Msg("cannot mark the store as one that is in use")
	}
}

// Fail ends the service with an error, for work in the background that cannot go on.
func (h *Host) Fail(err error) { h.stop(err) }

// FetchKeys reads the JWK set of the users service.
func FetchKeys(inv sidecar.Invoker) func(context.Context) (identity.JWKS, error) {
	return func(ctx context.Context) (set identity.JWKS, err error) {
		err = sidecar.Call(ctx, inv, "users", http.MethodGet, "/.well-known/jwks.json", nil, nil, &set)
		return set, err
	}
}
