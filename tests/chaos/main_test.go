package chaos

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
	"haberdash/tests/chaos/checker"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/shop"
	"haberdash/tests/chaos/snapshot"
)

// The flags of `make chaos`. Without -long a run takes about a minute, with it a quarter of an hour.
var (
	long       = flag.Bool("long", false, "the long run: every step, hundreds of buyers, a kill every two seconds")
	seed       = flag.Uint64("seed", 1, "seed from which everything that happens is drawn")
	buyerCount = flag.Int("buyers", 0, "number of buyers during the kills; 0 for the usual number")
)

// shared is the harness of all tests. They run one after another, because a killed process is dead for all of them.
var shared struct {
	once sync.Once
	*Harness
	dir string
	err error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if h := shared.Harness; h != nil {
		if err := h.Shop.Close(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	process.CloseGuard()
	if code != 0 && shared.dir != "" {
		fmt.Println("logs and data of the shop:", shared.dir)
	} else {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// harness returns the shared harness, and starts it for the first test.
func harness(t *testing.T) *Harness {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "haberdash-chaos-"); shared.err == nil {
			o := shop.Options{Dir: shared.dir, Seed: *seed, Faults: 0.05, Log: os.Stdout}
			shared.Harness, shared.err = Start(context.Background(), o)
		}
	})
	require.NoError(t, shared.err)
	return shared.Harness
}

// steps returns all steps at which a process may be killed.
func steps(t *testing.T) []string {
	t.Helper()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	names, err := plan.Steps(root)
	require.NoError(t, err)
	return names
}

// requireNoViolation waits until the shop is idle and requires that no invariant is broken.
func requireNoViolation(t *testing.T, h *Harness, log []string) *snapshot.Snapshot {
	t.Helper()
	start := time.Now()
	s, last, err := h.WaitUntilIdle(t.Context())
	require.NoError(t, err, killLog(log))
	t.Logf("idle after %s; finished last: %v", time.Since(start).Round(time.Millisecond), last)
	found := checker.Check(s, h.Record)
	h.Record.ClearViolations()
	require.Empty(t, found, "%s\n%s", killLog(log), checker.Report(s, found))
	return s
}

// killLog describes the seed and the kills, for the message of a failed test.
func killLog(log []string) string {
	return fmt.Sprintf("seed %d; kills:\n%s", *seed, strings.Join(log, "\n"))
}
