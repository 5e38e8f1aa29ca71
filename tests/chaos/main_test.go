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
)

// What `make chaos` sets. Without -long a run takes about a minute, with it some.
var (
	long   = flag.Bool("long", false, "the long run: every step, hundreds of buyers, a death every other second")
	seed   = flag.Uint64("seed", 1, "decides what happens")
	buyers = flag.Int("buyers", 0, "how many buy while processes die; 0 for the usual number")
)

// One world serves all tests, one after the other: what is killed, is killed for all.
var theWorld struct {
	once sync.Once
	*World
	dir string
	err error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if w := theWorld.World; w != nil {
		if err := w.Stop(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	process.CloseGuard()
	if code != 0 && theWorld.dir != "" {
		fmt.Println("logs and data of the shop:", theWorld.dir)
	} else {
		_ = os.RemoveAll(theWorld.dir)
	}
	os.Exit(code)
}

// world gives the world to a test, and starts it for the first.
func world(t *testing.T) *World {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	theWorld.once.Do(func() {
		if theWorld.dir, theWorld.err = os.MkdirTemp("", "haberdash-chaos-"); theWorld.err == nil {
			theWorld.World, theWorld.err = Start(context.Background(), Options{Dir: theWorld.dir, Seed: *seed, Faults: 0.05, Log: os.Stdout})
		}
	})
	require.NoError(t, theWorld.err)
	return theWorld.World
}

// steps are all steps at which a process may be killed.
func steps(t *testing.T) []string {
	t.Helper()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	names, err := Steps(root)
	require.NoError(t, err)
	return names
}

// judge waits until the shop is at rest and holds it against all invariants.
func judge(t *testing.T, w *World, diary []string) *Books {
	t.Helper()
	schedule := fmt.Sprintf("seed %d; the schedule:\n%s", *seed, strings.Join(diary, "\n"))
	began := time.Now()
	books, last, err := w.Quiet(t.Context())
	require.NoError(t, err, schedule)
	t.Logf("at rest after %s; last under way: %v", time.Since(began).Round(time.Millisecond), last)
	found := Check(books, w.Witness)
	w.Witness.forget()
	require.Empty(t, found, "%s\n%s", schedule, Report(books, found))
	return books
}
