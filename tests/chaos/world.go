package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/standalone"
	"haberdash/tests/api"
)

// World is a shop built to be killed, the payment provider beside it, and what its customers remember.
type World struct {
	Shop     *launch.Shop
	Provider *standalone.Program
	Witness  *Witness

	options Options
	guest   *api.Client
	staff   *person
	steps   string // directory of the armed steps
	answers atomic.Int64
	pace    atomic.Int64 // how many answers there may be before somebody begins to buy
	dead    atomic.Int64 // when a process was dead last, Unix nanoseconds
}

// Patience is how long anything may take that a dead process holds up, counted from when all processes run again: the
// recovery window. So long a buyer goes on repeating a request.
const Patience = 90 * time.Second

// The payment provider's secrets.
const (
	providerKey  = "sk_test_haberdash"
	webhookKey   = "whsec_haberdash"
	webhookRoute = "/api/v1/payments/stripe/webhook"
)

// environment has short times, so that what was interrupted is taken up within seconds.
var environment = map[string]string{
	"RATE_LIMIT": "off", "DEMO_CATALOGUE": "off", "STOCK_LOCATIONS": strings.Join(Locations, ","),
	"PROVIDER_PATIENCE": "1500ms", "ORDER_DEADLINE": "3s", "ORDER_GIVE_UP": "2m", "RESERVATION_TIME": "5s",
}

// Options say where a world is and how unreliable its payment provider.
type Options struct {
	Dir    string // must exist
	Seed   uint64 // of the provider's faults
	Faults float64
	Log    io.Writer
}

// Start starts a world. Stop it.
func Start(ctx context.Context, o Options) (w *World, err error) {
	w = &World{Witness: newWitness(), steps: filepath.Join(o.Dir, "steps")}
	w.pace.Store(math.MaxInt64)
	if err := os.MkdirAll(w.steps, 0o755); err != nil {
		return nil, err
	}
	// The provider sends webhooks to the shop and the shop calls the provider: each must know the other's port before it
	// starts.
	w.Provider, err = standalone.StartProgram(ctx, standalone.ProgramOptions{
		RunDir: o.Dir, Package: "./tests/psp/cmd/psp", Health: "/healthz",
		Args: func(port int) []string {
			return []string{
				fmt.Sprintf("-port=%d", port), "-data=" + filepath.Join(o.Dir, "provider"),
				"-secret-key=" + providerKey, "-webhook-secret=" + webhookKey,
				fmt.Sprintf("-webhook-url=http://127.0.0.1:%d%s", port+1, webhookRoute),
				"-faults=" + strconv.FormatFloat(o.Faults, 'f', -1, 64), "-seed=" + strconv.FormatUint(o.Seed, 10),
			}
		},
	})
	if err != nil {
		return nil, err
	}
	w.options = o
	if err := w.open(ctx, nil); err != nil {
		w.Provider.Stop()
		return nil, err
	}
	w.guest = api.New(w.Shop.GatewayURL())
	w.guest.HTTP.Timeout = 10 * time.Second
	w.guest.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	w.staff = &person{w: w, name: "staff", email: api.AdminEmail, password: api.AdminPassword}
	return w, nil
}

// open starts the shop, always at the same address, with more in the apps' environment.
func (w *World) open(ctx context.Context, more map[string]string) (err error) {
	env := maps.Clone(environment)
	maps.Copy(env, map[string]string{
		"FAILPOINT_DIR": w.steps, "PAYMENT_PROVIDER": "stripe", "STRIPE_URL": w.Provider.URL(),
		"STRIPE_SECRET_KEY": providerKey, "STRIPE_WEBHOOK_SECRET": webhookKey,
	})
	maps.Copy(env, more)
	log := &muted{to: w.options.Log}
	defer log.mute()
	w.Shop, err = launch.Start(ctx, config.Options{
		RunDir: w.options.Dir, FreePorts: true, GatewayPort: w.Provider.Port + 1, Tags: []string{"failpoints"}, Env: env, Log: log,
	})
	return err
}

// Reopen stops the shop gently and starts it on what it has stored, with more in the apps' environment.
func (w *World) Reopen(ctx context.Context, more map[string]string) error {
	if err := w.Shop.Stop(ctx); err != nil {
		return err
	}
	return w.open(ctx, more)
}

// Stop ends the world gently.
func (w *World) Stop() error {
	err := w.Shop.Stop(context.Background())
	w.Provider.Stop()
	return err
}

// muted is a log of the start alone: the obituaries that a launcher writes are no news here.
type muted struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (m *muted) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.to.Write(b)
}

func (m *muted) mute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.to = io.Discard
}

// arm lets the next process that reaches the step die there.
func (w *World) arm(step string) error {
	return os.WriteFile(filepath.Join(w.steps, step), nil, 0o600)
}

// armed lists the steps that nobody has reached yet.
func (w *World) armed() (steps []string) {
	entries, _ := os.ReadDir(w.steps)
	for _, e := range entries {
		steps = append(steps, e.Name())
	}
	return steps
}

// disarm lets everybody live again.
func (w *World) disarm() {
	for _, step := range w.armed() {
		_ = os.Remove(filepath.Join(w.steps, step))
	}
}

// kill ends a process with SIGKILL. The provider is not the launcher's, and comes back by itself.
func (w *World) kill(ctx context.Context, b Blow) error {
	if b.Target != Provider {
		return w.Shop.Kill(b.Target)
	}
	w.Provider.Kill()
	if !sleep(ctx, b.Down) {
		return ctx.Err()
	}
	defer func() { w.dead.Store(time.Now().UnixNano()) }()
	return w.Provider.Restart(ctx)
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// until asks until the answer is nil, and gives the last one up when patience or ctx is at its end.
func (w *World) until(ctx context.Context, what string, ask func(context.Context) error) error {
	began := time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := ask(ctx)
		if err == nil {
			w.Witness.waited(time.Since(began), what)
			return nil
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		}
		if dead := time.Unix(0, w.dead.Load()); time.Since(began) > Patience && time.Since(dead) > Patience {
			return fmt.Errorf("%s, not within %s: %w", what, Patience, err)
		}
	}
}
