// Package e2e buys from a whole shop over its public API: real sidecars, real files, real mail. One shop
// serves all tests, which run side by side; what stops or kills something starts a shop of its own.
package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/process"
	"haberdash/tests/api"
)

var (
	theShop   place
	theClient *api.Client
	admin     struct {
		sync.Mutex
		client *api.Client
		since  time.Time
	}
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: starts real sidecars")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if path := os.Getenv("E2E_SHOP"); path != "" {
		there, err := readElsewhere(path)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		theShop, theClient = there, newClient(there)
		return m.Run()
	}
	defer process.CloseGuard()
	dir, err := os.MkdirTemp("", "haberdash-e2e-")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	o, _, stop, err := options(context.Background(), dir)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer stop()
	s, err := launch.Start(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	theShop, theClient = here{s}, newClient(here{s})
	code := m.Run()
	if code != 0 {
		quoteLogs(s)
	}
	if err := s.Stop(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return code
}

// options are of a shop of its own in dir, with the components that STATE, PUBSUB and MAIL choose and servers of its
// own for them, until stop.
func options(ctx context.Context, dir string) (o config.Options, servers *infra.Servers, stop func(), err error) {
	o, err = config.FromEnv()
	if err != nil {
		return o, nil, nil, err
	}
	o.RunDir, o.FreePorts, o.GatewayPort, o.Env, o.Log = dir, true, 0, map[string]string{"RATE_LIMIT": "off"}, os.Stdout
	return o.WithServers(ctx)
}

// quoteLogs prints the last warnings and errors of each process, for whoever reads a failed run.
func quoteLogs(s *launch.Shop) {
	for _, p := range s.State().Processes {
		file, err := os.ReadFile(p.Log)
		if err != nil {
			continue
		}
		lines := slices.DeleteFunc(strings.Split(string(file), "\n"), func(line string) bool {
			return !strings.Contains(line, `"level":"warn"`) && !strings.Contains(line, `"level":"error"`) &&
				!strings.Contains(line, "level=warning") && !strings.Contains(line, "level=error") && !strings.Contains(line, "panic")
		})
		if len(lines) > 12 {
			lines = lines[len(lines)-12:]
		}
		if len(lines) > 0 {
			fmt.Printf("--- %s\n%s\n", filepath.Base(p.Log), strings.Join(lines, "\n"))
		}
	}
}

// newClient is a guest's client that holds every answer to what API.md promises of all of them.
func newClient(s place) *api.Client {
	c := api.New(s.GatewayURL())
	c.Check = func(_ api.Request, a *api.Answer) error {
		switch {
		case a.Header.Get("X-Request-Id") == "":
			return errors.New("the answer has no X-Request-Id")
		case a.Header.Get("traceparent") == "":
			return errors.New("the answer has no traceparent")
		case a.Status >= 500:
			return errors.New("the answer blames the server")
		case a.Status >= 400:
			return checkProblem(a)
		}
		return nil
	}
	return c
}

func checkProblem(a *api.Answer) error {
	p := a.Problem()
	switch {
	case a.Header.Get("Content-Type") != "application/problem+json":
		return errors.New("an error that is not application/problem+json")
	case p.Status != a.Status:
		return fmt.Errorf("the problem's status is %d", p.Status)
	case p.Name() == "" || p.Members["title"] == nil:
		return errors.New("the problem has no type or title")
	}
	return nil
}

// guest runs the test beside the others and gives it a client that has not signed in.
func guest(t *testing.T) *api.Client {
	t.Helper()
	t.Parallel()
	return theClient
}

// staff is the administrator, signed in for all tests together, and again before the token expires.
func staff(t *testing.T) *api.Client {
	t.Helper()
	admin.Lock()
	defer admin.Unlock()
	if time.Since(admin.since) > 4*time.Minute {
		c, err := theClient.AsAdmin(t.Context())
		require.NoError(t, err)
		admin.client, admin.since = c, time.Now()
	}
	return admin.client
}

// customer registers somebody new.
func customer(t *testing.T) (*api.Client, api.User) {
	t.Helper()
	c, u, err := theClient.AsNewCustomer(t.Context())
	require.NoError(t, err)
	return c, u
}

// stocked imports a product of one variant, 19.99, of which there are so many, and gives its SKU.
func stocked(t *testing.T, quantity int) string {
	t.Helper()
	return importStock(t, staff(t), quantity)
}

func importStock(t *testing.T, staff *api.Client, quantity int) string {
	t.Helper()
	sku := "E2E-" + rand.Text()[:12]
	did, err := staff.Import(t.Context(), "text/csv", file(row{handle: strings.ToLower(sku), sku: sku, quantity: fmt.Sprint(quantity), price: "19.99"}))
	require.NoError(t, err)
	require.Equal(t, 1, did.Created, "%+v", did)
	return sku
}

// cartOf is a guest's cart with one of a SKU.
func cartOf(t *testing.T, c *api.Client, sku string) api.Cart {
	t.Helper()
	cart, err := c.NewCart(t.Context(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	return cart
}

// problem demands a problem of this name and status.
func problem(t *testing.T, err error, status int, name string) *api.Problem {
	t.Helper()
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, status, p.Status, "%v", p)
	require.Equal(t, name, p.Name(), "%v", p)
	return p
}

// soon is the patience of conditions that other processes bring about.
const (
	soon = time.Minute
	tick = 50 * time.Millisecond
)
