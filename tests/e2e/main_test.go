// Package e2e tests a whole shop over its public API, with real sidecars, files and mails. The tests share one shop and
// run in parallel. A test that stops or kills a process starts a shop of its own.
package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"maps"
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
	"haberdash/tests/contract"
)

var (
	sharedShop   shop
	sharedClient *api.Client // of a guest

	// sharedChecker checks all that the apps of the shared shop say to one another; nil for a remote shop.
	sharedChecker *contract.Checker

	adminSession struct {
		sync.Mutex
		client  *api.Client
		started time.Time
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
		remote, err := readRemoteShop(path)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		sharedShop, sharedClient = remote, newClient(remote)
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
	if sharedChecker, err = contract.NewChecker(o.Root); err != nil {
		fmt.Println(err)
		return 1
	}
	recorder := contract.NewRecorder(sharedChecker.Exchange)
	defer recorder.Close()
	o.Tap = recorder.Tap
	printLeftOut(o)
	s, err := launch.Start(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	sharedShop, sharedClient = localShop{s}, newClient(localShop{s})
	code := m.Run()
	if code != 0 {
		printWarnings(s)
	}
	unread := readFeeds(localShop{s})
	if err := errors.Join(unread, s.Stop(context.Background())); err != nil {
		fmt.Println(err)
		return 1
	}
	recorder.Close()
	return max(code, reportContract())
}

// options returns the options of a new shop in dir, with the components that STATE, PUBSUB and MAIL select. It starts
// the servers that they need. The caller calls stop.
func options(ctx context.Context, dir string) (o config.Options, servers *infra.Servers, stop func(), err error) {
	o, err = config.FromEnv()
	if err != nil {
		return o, nil, nil, err
	}
	o.RunDir, o.FreePorts, o.GatewayPort, o.Log = dir, true, 0, os.Stdout
	o.Env = map[string]string{"RATE_LIMIT": "off"}
	return o.WithServers(ctx)
}

// startOwnShop starts a shop for one test, which may kill its processes or needs other settings: env has variables of
// the apps, and changes change its options. It returns its options too, with which the test can start it again, and its
// servers.
func startOwnShop(
	t *testing.T, env map[string]string, changes ...func(*config.Options),
) (*launch.Shop, config.Options, *infra.Servers) {
	t.Helper()
	o, servers, stop, err := options(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(stop)
	o.SkipBuild = true // the shared shop has built the programs
	o.Env = maps.Clone(o.Env)
	maps.Copy(o.Env, env)
	for _, change := range changes {
		change(&o)
	}
	s, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s, o, servers
}

// printWarnings prints the last warnings and errors of each process, to explain a failed run.
func printWarnings(s *launch.Shop) {
	for _, p := range s.State().Processes {
		file, err := os.ReadFile(p.Log)
		if err != nil {
			continue
		}
		lines := slices.DeleteFunc(strings.Split(string(file), "\n"), func(line string) bool {
			return !slices.ContainsFunc(warningMarks, func(mark string) bool { return strings.Contains(line, mark) })
		})
		if len(lines) > 12 {
			lines = lines[len(lines)-12:]
		}
		if len(lines) > 0 {
			fmt.Printf("--- %s\n%s\n", filepath.Base(p.Log), strings.Join(lines, "\n"))
		}
	}
}

// warningMarks are the texts in a line of a log by which a warning or an error is recognised.
var warningMarks = []string{`"log.level":"warn"`, `"log.level":"error"`, "level=warning", "level=error", "panic"}

// newClient returns the client of a guest. It checks every answer against the rules that the API has for all answers.
func newClient(s shop) *api.Client {
	c := api.New(s.GatewayURL())
	c.Check = func(_ api.Request, a *api.Answer) error {
		switch {
		case a.Header.Get("X-Request-Id") == "":
			return errors.New("the answer has no X-Request-Id")
		case a.Header.Get("traceparent") == "":
			return errors.New("the answer has no traceparent")
		case a.Status >= 500:
			return errors.New("the answer is a server error")
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
		return errors.New("the error is not application/problem+json")
	case p.Status != a.Status:
		return fmt.Errorf("the status in the problem is %d", p.Status)
	case p.Name() == "" || p.Members["title"] == nil:
		return errors.New("the problem has no type or title")
	}
	return nil
}

// guest makes the test parallel and returns a client that has not signed in.
func guest(t *testing.T) *api.Client {
	t.Helper()
	t.Parallel()
	return sharedClient
}

// staff returns a client of the administrator, which all tests share. It signs in again before the token expires.
func staff(t *testing.T) *api.Client {
	t.Helper()
	adminSession.Lock()
	defer adminSession.Unlock()
	if time.Since(adminSession.started) > 4*time.Minute {
		c, err := sharedClient.AsAdmin(t.Context())
		require.NoError(t, err)
		adminSession.client, adminSession.started = c, time.Now()
	}
	return adminSession.client
}

// customer registers a new customer.
func customer(t *testing.T) (*api.Client, api.User) {
	t.Helper()
	c, u, err := sharedClient.AsNewCustomer(t.Context())
	require.NoError(t, err)
	return c, u
}

// importProduct imports a product with one variant for 19.99 and so much stock. It returns the SKU.
func importProduct(t *testing.T, quantity int) string {
	t.Helper()
	return importProductAs(t, staff(t), quantity)
}

// importProductAs is importProduct for a shop of its own, with a client of its staff.
func importProductAs(t *testing.T, staff *api.Client, quantity int) string {
	t.Helper()
	sku := "E2E-" + rand.Text()[:12]
	product := row{handle: strings.ToLower(sku), sku: sku, quantity: fmt.Sprint(quantity), price: "19.99"}
	imported, err := staff.Import(t.Context(), "text/csv", file(product))
	require.NoError(t, err)
	require.Equal(t, 1, imported.Created, "%+v", imported)
	return sku
}

// cartWith returns a new cart with one unit of a SKU.
func cartWith(t *testing.T, c *api.Client, sku string) api.Cart {
	t.Helper()
	cart, err := c.NewCart(t.Context(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	return cart
}

// requireProblem requires that err is a problem with this status and name.
func requireProblem(t *testing.T, err error, status int, name string) *api.Problem {
	t.Helper()
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, status, p.Status, "%v", p)
	require.Equal(t, name, p.Name(), "%v", p)
	return p
}

// Tests wait so long for a condition that other processes bring about, and check it so often.
const (
	timeout  = time.Minute
	interval = 50 * time.Millisecond
)
