package launch

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/launchtest/checkout"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
)

// These tests start real shops, whose apps are replaced by testdata/app: they test the launcher and the files in dapr/
// and components/.

// canaryVariable is in the environment of the tests, as secrets are in that of a developer.
const canaryVariable, canary = "HABERDASH_TEST_CANARY", "secret of the caller"

// launcherVariable is set in the environment of a process that must not run tests: see runLauncher.
const launcherVariable = "HABERDASH_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	if os.Getenv(launcherVariable) != "" {
		runLauncher()
	}
	os.Setenv(canaryVariable, canary)
	code := m.Run()
	process.CloseGuard()
	if fixture.dir != "" {
		os.RemoveAll(fixture.dir)
	}
	os.Exit(code)
}

// runLauncher is the main function of a process that starts a shop and is then killed by its test.
func runLauncher() {
	_, err := Start(context.Background(), config.Options{
		Root: os.Getenv("TEST_ROOT"), RunDir: os.Getenv("TEST_RUN_DIR"), FreePorts: true,
	})
	fmt.Println("started", err)
	select {}
}

var fixture struct {
	once sync.Once
	dir  string
	err  error
}

// testRoot is a checkout with an app of the tests for every app: see checkout.Make.
func testRoot(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real sidecars")
	}
	t.Parallel()
	fixture.once.Do(func() { fixture.dir, fixture.err = checkout.Make("") })
	require.NoError(t, fixture.err)
	return fixture.dir
}

func startShop(t *testing.T, o config.Options) *Shop {
	t.Helper()
	o.Root = testRoot(t)
	return startShopOf(t, o)
}

// startShopOf is startShop for options with the root.
func startShopOf(t *testing.T, o config.Options) *Shop {
	t.Helper()
	o.FreePorts = true
	if o.RunDir == "" {
		o.RunDir = t.TempDir()
	}
	var log launchtest.Log
	o.Log = &log
	s, err := Start(t.Context(), o)
	require.NoError(t, err, log.String())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
		if s.State().Status != rundir.Stopped {
			require.NoError(t, s.Stop(context.Background()))
		}
	})
	return s
}

func TestShopWorksAgainAfterEachProcessWasKilled(t *testing.T) {
	s := startShop(t, config.Options{Env: map[string]string{"EXTRA": "reached"}})
	require.Equal(t, "ok\n", launchtest.Get(t, s.GatewayURL()+"/healthz"))
	require.Equal(t, "reached", launchtest.Get(t, s.AppURL("users")+"/env/EXTRA"))
	require.Equal(t, "ok\n", get(t, s, "gateway", "/v1.0/invoke/orders/method/healthz"))

	publish := func(n int) {
		require.Eventually(t, func() bool {
			code, _ := post(s, "orders", "/v1.0/publish/pubsub/orders", fmt.Sprintf(`{"n":%d}`, n))
			return code == http.StatusNoContent
		}, 30*time.Second, 200*time.Millisecond)
	}
	received := func(app string, n int) {
		require.Eventually(t, func() bool {
			return strings.Contains(launchtest.Get(t, s.AppURL(app)+"/events"), fmt.Sprintf(`{"n":%d}`, n))
		}, 60*time.Second, 100*time.Millisecond, "%s did not receive event %d", app, n)
	}
	publish(1)
	received("notifications", 1)
	received("catalog", 1)

	for i, name := range []string{
		"broker", "orders-daprd", "notifications", "notifications-daprd", "scheduler", "placement",
	} {
		require.NoError(t, s.Kill(name))
		require.NoError(t, s.Restart(name))
		require.NoError(t, s.Ready(t.Context()), name)
		publish(10 + i)
		received("notifications", 10+i)
		received("catalog", 10+i)
	}
	require.Equal(t, rundir.Ready, s.State().Status)
	require.ErrorContains(t, s.Kill("nobody"), `no process "nobody"`)
	require.ErrorContains(t, s.Restart("orders"), "still running")

	used := s.file.Ports(s.opts)
	mark := s.State().RunID
	require.NoError(t, s.Stop(t.Context()))
	require.Empty(t, process.Marked(mark))
	require.NoError(t, ports.CheckFree(used))
}

func TestTwoShopsRunSideBySideAndDataStays(t *testing.T) {
	dir := t.TempDir()
	one := startShop(t, config.Options{RunDir: dir})
	// Not with startShop, which would call t.Parallel a second time.
	two, err := Start(t.Context(), config.Options{Root: one.opts.Root, RunDir: t.TempDir(), FreePorts: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, two.Stop(context.Background())) }()

	_, err = Start(t.Context(), config.Options{Root: one.opts.Root, RunDir: dir, FreePorts: true})
	require.ErrorIs(t, err, rundir.ErrRunning)

	code, _ := post(one, "orders", "/v1.0/state/state", `[{"key":"k","value":"kept"}]`)
	require.Equal(t, http.StatusNoContent, code)
	require.Empty(t, get(t, two, "orders", "/v1.0/state/state/k"))

	require.NoError(t, one.Stop(t.Context()))
	require.Equal(t, "ok\n", launchtest.Get(t, two.GatewayURL()+"/healthz"), "the other shop still runs")
	again, err := Start(t.Context(), config.Options{Root: one.opts.Root, RunDir: dir, FreePorts: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, again.Stop(context.Background())) }()
	require.Equal(t, `"kept"`, get(t, again, "orders", "/v1.0/state/state/k"))
}

func TestStartNamesTheProcessThatFails(t *testing.T) {
	root := testRoot(t)
	for name, c := range map[string]struct {
		options config.Options
		says    []string
	}{
		"app": {
			config.Options{Env: map[string]string{"CRASH": "cart"}},
			[]string{"cart stopped (exit status 3)", "the configuration is invalid"},
		},
		"component": {
			config.Options{State: "broken"},
			[]string{"the sidecar of ", "state (state.sqlite/v1)", "unable to open database file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Root, c.options.RunDir, c.options.FreePorts = root, t.TempDir(), true
			_, err := Start(t.Context(), c.options)
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
			st, err := rundir.ReadState(c.options.RunDir)
			require.NoError(t, err)
			require.Equal(t, rundir.Failed, st.Status)
			require.Empty(t, process.Marked(st.RunID))
		})
	}
}

func TestStateTellsOfAnUnexpectedEnd(t *testing.T) {
	s := startShop(t, config.Options{})
	began := time.Now()
	cmd := exec.Command("kill", "-9", fmt.Sprint(pid(t, s, "users-daprd")))
	require.NoError(t, cmd.Run())
	require.Eventually(t, func() bool {
		st, err := rundir.ReadState(s.RunDir())
		return err == nil && st.Status == rundir.Broken
	}, 5*time.Second, 20*time.Millisecond)
	require.Less(t, time.Since(began), 2*time.Second)
	require.Contains(t, s.State().Error, "the sidecar of users stopped (signal: killed)")
}

func TestNoProcessOutlivesItsLauncher(t *testing.T) {
	root, dir := testRoot(t), t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), launcherVariable+"=1", "TEST_ROOT="+root, "TEST_RUN_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started <nil>\n", line)
	st, err := rundir.ReadState(dir)
	require.NoError(t, err)
	require.NotEmpty(t, process.Marked(st.RunID))

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	// The environment of a process disappears shortly before the process does, so the test looks for both.
	require.Eventually(t, func() bool {
		alive := func(p process.Process) bool { return p.Alive() }
		return len(process.Marked(st.RunID)) == 0 && !slices.ContainsFunc(st.Processes, alive)
	}, 10*time.Second, 50*time.Millisecond)
	locked, err := rundir.Running(dir)
	require.NoError(t, err)
	require.False(t, locked)
}

// get and post call the sidecar of an app as the app does.
func get(t *testing.T, s *Shop, app, path string) string {
	t.Helper()
	return launchtest.Get(t, s.SidecarHTTP(app)+path, "dapr-api-token", s.SidecarToken(app))
}

func post(s *Shop, app, path, body string) (status int, answer string) {
	return launchtest.Post(s.SidecarHTTP(app)+path, body, "dapr-api-token", s.SidecarToken(app))
}

func pid(t *testing.T, s *Shop, name string) int {
	t.Helper()
	p, ok := s.Process(name)
	require.True(t, ok, name)
	return p.PID
}
