// Package shop starts a shop and a payment provider for the chaos tests, kills their processes as planned, and starts
// them again.
package shop

import (
	"context"
	"fmt"
	"io"
	"maps"
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
	"haberdash/tests/chaos/plan"
)

// Shop is a shop with failpoints, and the payment provider beside it.
type Shop struct {
	*launch.Shop
	Provider *standalone.Program
	Progress *Progress

	options  Options
	stepDir  string       // has a file for each armed step
	lastDown atomic.Int64 // Unix nanoseconds
}

// RecoveryTime is the longest time that an operation may need after all processes run again. Buyers repeat a request
// for so long.
const RecoveryTime = 90 * time.Second

// The secrets that the shop shares with the payment provider.
const (
	providerKey  = "sk_test_haberdash"
	webhookKey   = "whsec_haberdash"
	webhookRoute = "/api/v1/payments/stripe/webhook"
)

// environment has short times, so that the shop continues interrupted work within seconds.
var environment = map[string]string{
	"RATE_LIMIT": "off", "DEMO_CATALOGUE": "off", "STOCK_LOCATIONS": strings.Join(plan.Locations, ","),
	"PROVIDER_PATIENCE": "1500ms", "ORDER_DEADLINE": "3s", "ORDER_GIVE_UP": "2m", "RESERVATION_TIME": "5s",
}

// Options configure a shop and its payment provider.
type Options struct {
	Dir    string  // of logs and data; must exist
	Seed   uint64  // of the provider's faults
	Faults float64 // share of the provider's requests that fail
	Log    io.Writer
}

// Start starts a shop and its payment provider. The caller closes the shop.
func Start(ctx context.Context, o Options) (*Shop, error) {
	s := &Shop{options: o, stepDir: filepath.Join(o.Dir, "steps"), Progress: newProgress()}
	if err := os.MkdirAll(s.stepDir, 0o755); err != nil {
		return nil, err
	}
	// The provider sends webhooks to the shop and the shop calls the provider: each must know the other's port before it
	// starts.
	var err error
	s.Provider, err = standalone.StartProgram(ctx, standalone.ProgramOptions{
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
	if err := s.launch(ctx, nil); err != nil {
		s.Provider.Stop()
		return nil, err
	}
	return s, nil
}

// launch starts the shop, always at the same address. extra is added to the environment of the apps.
func (s *Shop) launch(ctx context.Context, extra map[string]string) (err error) {
	env := maps.Clone(environment)
	maps.Copy(env, map[string]string{
		"FAILPOINT_DIR": s.stepDir, "PAYMENT_PROVIDER": "stripe", "STRIPE_URL": s.Provider.URL(),
		"STRIPE_SECRET_KEY": providerKey, "STRIPE_WEBHOOK_SECRET": webhookKey,
	})
	maps.Copy(env, extra)
	log := &startLog{to: s.options.Log}
	defer log.end()
	s.Shop, err = launch.Start(ctx, config.Options{
		RunDir: s.options.Dir, FreePorts: true, GatewayPort: s.Provider.Port + 1, Tags: []string{"failpoints"}, Env: env,
		Log: log,
	})
	return err
}

// Relaunch stops the shop and starts it again with its stored data. extra is added to the environment of the apps.
func (s *Shop) Relaunch(ctx context.Context, extra map[string]string) error {
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.launch(ctx, extra)
}

// Close stops the shop and the payment provider.
func (s *Shop) Close() error {
	err := s.Stop(context.Background())
	s.Provider.Stop()
	return err
}

// LastDown returns the last moment at which the shop is known to have had a dead process.
func (s *Shop) LastDown() time.Time { return time.Unix(0, s.lastDown.Load()) }

func (s *Shop) noteDown() { s.lastDown.Store(time.Now().UnixNano()) }

// startLog writes the log of the start and discards the rest: the launcher reports every dead process, which is
// expected here.
type startLog struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (l *startLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

func (l *startLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = io.Discard
}

// Sleep waits for d. It returns false if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
