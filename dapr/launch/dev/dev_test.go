package dev

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/control"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// write writes files of a checkout.
func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

const waits = "package main\n\nimport \"shop/internal/wait\"\n\nfunc main() { wait.For(\"ever\") }\n"

// makeModule makes a checkout with two apps, of which only cart has a file that is no Go source.
func makeModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, map[string]string{
		"go.mod":                   "module shop\n\ngo 1.26\n",
		"apps/orders/main.go":      waits,
		"apps/cart/main.go":        strings.Replace(waits, "import ", "import _ \"shop/apps/cart/price\"\nimport ", 1),
		"apps/cart/price/price.go": "package price\n\nimport _ \"embed\"\n\n//go:embed rates/*\nvar Rates string\n",
		"apps/cart/price/rates/de": "19",
		"internal/wait/wait.go":    "package wait\n\nimport \"time\"\n\nfunc For(string) { time.Sleep(time.Hour) }\n",
		"internal/unused/no.go":    "package unused\n",
	})
	return root
}

func TestChangedFileBelongsToTheAppsThatContainIt(t *testing.T) {
	t.Parallel()
	s, err := list(t.Context(), makeModule(t))
	require.NoError(t, err)
	require.Equal(t, []string{"cart", "orders"}, s.apps())
	require.Equal(t, []string{filepath.Join(s.root, "apps"), filepath.Join(s.root, "internal")}, s.folders())
	for path, apps := range map[string][]string{
		"apps/orders/main.go":      {"orders"},
		"apps/orders/new.go":       {"orders"},
		"apps/orders/notes.txt":    nil,
		"apps/cart/price/price.go": {"cart"},
		"apps/cart/price/rates/fr": {"cart"},
		"apps/cart/price/rates":    {"cart"},
		"apps/cart/price":          {"cart"}, // removed, or renamed
		"internal/wait/wait.go":    {"cart", "orders"},
		"internal/unused/no.go":    nil,
		"go.mod":                   {"cart", "orders"},
		"apps/orders/go.mod":       nil,
		"README.md":                nil,
	} {
		require.ElementsMatch(t, apps, s.appsOf(filepath.Join(s.root, path)), path)
	}
	for path, is := range map[string]bool{
		"apps/orders/main.go": true, "apps/orders/main_test.go": false, "apps/orders/.#main.go": false,
		"apps/cart/price/rates/fr~": false, "apps/cart/price/rates/fr": true, "internal/unused/no.go": true,
		"apps/orders/notes.txt": false,
	} {
		require.Equal(t, is, s.isSource(filepath.Join(s.root, path)), path)
	}
}

func TestAppsThatOthersReplaceAreNotBuilt(t *testing.T) {
	t.Parallel()
	s, err := list(t.Context(), makeModule(t), "cart")
	require.NoError(t, err)
	require.Equal(t, []string{"orders"}, s.apps())
	require.Equal(t, []string{"orders"}, s.appsOf(filepath.Join(s.root, "internal/wait/wait.go")))
	for _, path := range []string{"apps/cart/main.go", "apps/cart/price/rates/de"} {
		require.Empty(t, s.appsOf(filepath.Join(s.root, path)), path)
	}
}

// shop runs the programs of makeModule under a supervisor, without sidecars.
type shop struct {
	*supervisor.Supervisor
	root, dir string

	mu       sync.Mutex
	restarts [][]string
}

func startShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{root: makeModule(t), dir: t.TempDir()}
	require.NoError(t, toolchain.BuildSome(t.Context(), s.root, []string{"orders", "cart"}, os.Stderr))
	var err error
	s.Supervisor, err = supervisor.Open(s.dir, os.Stderr)
	require.NoError(t, err)
	checkout, err := toolchain.FindRoot()
	require.NoError(t, err)
	require.NoError(t, s.StartGuard(t.Context(), checkout))
	for _, app := range []string{"orders", "cart"} {
		require.NoError(t, s.Start(supervisor.Spec{Name: app, Kind: process.KindApp, Command: process.Command{
			Args: []string{filepath.Join(toolchain.BinDir(s.root), app)}, Env: os.Environ(),
			Log: filepath.Join(s.dir, app+".log"), Grace: time.Second,
		}}))
	}
	t.Cleanup(func() {
		if s.State().Status != rundir.Stopped {
			require.NoError(t, s.Close(rundir.Stopped))
		}
	})
	return s
}

func (s *shop) restart(_ context.Context, apps []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.restarts = append(s.restarts, apps)
	for _, app := range apps {
		if err := errors.Join(s.Terminate(app), s.Restart(app)); err != nil {
			return err
		}
	}
	return nil
}

// restarted waits until apps were restarted once, and fails if any others were.
func (s *shop) restarted(t *testing.T, log *launchtest.Log, apps ...string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.restarts) > 0
	}, time.Minute, 10*time.Millisecond, "no restart")
	s.mu.Lock()
	require.Len(t, s.restarts, 1, log)
	require.ElementsMatch(t, apps, s.restarts[0], log)
	s.restarts = nil
	s.mu.Unlock()
	said := "serving after "
	require.Eventually(t, func() bool {
		_, after, _ := strings.Cut(log.String(), said)
		return after != "" && strings.Contains(after, strings.Join(apps, ", "))
	}, time.Minute, 10*time.Millisecond)
}

func TestChangesAreBuiltAndRestarted(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	old, err := Outdated(s.root, s.Processes())
	require.NoError(t, err)
	require.Empty(t, old)
	// A change before the start of the loop.
	main := filepath.Join(s.root, "apps", "orders", "main.go")
	change := func(path, before, after string) {
		t.Helper()
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), before)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), before, after, 1)), 0o644))
	}
	change(main, "ever", "a year")
	require.NoError(t, toolchain.BuildSome(t.Context(), s.root, []string{"orders"}, os.Stderr))
	old, err = Outdated(s.root, s.Processes())
	require.NoError(t, err)
	require.Equal(t, []string{"orders"}, old)

	var log launchtest.Log
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Root: s.root, RunDir: s.dir, Log: &log, Restart: s.restart})
	}()
	says := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(log.String(), text) }, time.Minute,
			10*time.Millisecond, text)
	}
	s.restarted(t, &log, "orders")
	change(filepath.Join(s.root, "internal", "wait", "wait.go"), "time.Hour", "2 * time.Hour")
	s.restarted(t, &log, "cart", "orders")
	write(t, s.root, map[string]string{"apps/cart/price/rates/de": "20"})
	s.restarted(t, &log, "cart")

	// While the source does not compile, the apps go on. What mends it may be in a package that is new.
	before := s.Processes()
	change(main, "import ", "import _ \"shop/more/codes\"\nimport ")
	says("apps/orders/main.go:3:8: package shop/more/codes is not in std")
	says("the apps go on as they were")
	require.Equal(t, before, s.Processes())
	write(t, s.root, map[string]string{"more/codes/codes.go": "package codes\n\nfunc init() { println(1) }\n"})
	change(main, "a year", "two years")
	s.restarted(t, &log, "orders")
	change(filepath.Join(s.root, "more", "codes", "codes.go"), "println(1)", "println(2)")
	s.restarted(t, &log, "orders")

	// What the compiler ignores restarts nothing, and what changes with it does.
	write(t, s.root, map[string]string{
		"apps/cart/price/notes.txt": "x", "apps/cart/price/price_test.go": "package price\n",
	})
	change(main, "two years", "three years")
	s.restarted(t, &log, "orders")

	// A change may mend an app that has crashed.
	crashed := s.Processes()[slices.IndexFunc(s.Processes(), func(p process.Process) bool { return p.Name == "orders" })]
	ps, err := os.FindProcess(crashed.PID)
	require.NoError(t, err)
	require.NoError(t, ps.Kill())
	require.ErrorContains(t, <-s.Died(), "orders stopped")
	change(main, "func main", "// Comment.\nfunc main")
	s.restarted(t, &log, "orders")

	require.NoError(t, s.Terminate("orders"))
	require.NoError(t, s.Detach("orders"))
	s.Update(func(*rundir.State) {})
	change(main, "three years", "four years")
	says("orders is detached: whoever runs it has to start it again")

	require.NoError(t, s.Close(rundir.Stopped))
	change(main, "four years", "five years")
	require.ErrorIs(t, <-ended, control.ErrNotRunning)
}

func TestLoopEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := startShop(t)
	ctx, stop := context.WithCancel(t.Context())
	var log launchtest.Log
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Root: s.root, RunDir: s.dir, Log: &log, Restart: s.restart})
	}()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "watching internal") }, time.Minute,
		10*time.Millisecond)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Empty(t, s.restarts, "nothing had changed")

	err := Run(t.Context(), Options{Root: t.TempDir(), RunDir: s.dir, Log: &log, Restart: s.restart})
	require.Error(t, err)
}
