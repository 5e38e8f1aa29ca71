package launch

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
)

// pids returns the process ids of a shop by the names of the processes.
func pids(s *Shop) map[string]int {
	found := map[string]int{}
	for _, p := range s.Processes() {
		found[p.Name] = p.PID
	}
	return found
}

// requireRestarted fails unless exactly the named processes are others than before.
func requireRestarted(t *testing.T, s *Shop, before map[string]int, names ...string) {
	t.Helper()
	var changed []string
	for name, pid := range pids(s) {
		if pid != before[name] {
			changed = append(changed, name)
		}
	}
	require.ElementsMatch(t, names, changed)
	require.Equal(t, rundir.Ready, s.State().Status)
	require.Empty(t, s.State().Phase)
}

func TestAppsRestartBesideTheirSidecars(t *testing.T) {
	s := startShop(t, config.Options{})
	for says, names := range map[string][]string{
		`no app "order": the apps of this shop are gateway, catalog, cart, orders, users, notifications`: {"cart", "order"},
		`no app "orders-daprd"`: {"orders-daprd"},
		"which app?":            nil,
	} {
		before := pids(s)
		_, err := s.RestartApps(t.Context(), names...)
		require.ErrorContains(t, err, says)
		requireRestarted(t, s, before)
	}

	before := pids(s)
	restarted, err := s.RestartApps(t.Context(), "orders", "gateway", "orders")
	require.NoError(t, err)
	require.Equal(t, []string{"gateway", "orders"}, restarted)
	require.Equal(t, "ok\n", get(t, s, "gateway", "/v1.0/invoke/orders/method/healthz"), "at once")
	requireRestarted(t, s, before, "gateway", "orders")

	// A crashed app starts again, too.
	before = pids(s)
	require.NoError(t, exec.Command("kill", "-9", fmt.Sprint(before["users"])).Run())
	require.ErrorContains(t, <-s.Died(), "users stopped")
	_, err = s.RestartApps(t.Context(), AllApps)
	require.NoError(t, err)
	requireRestarted(t, s, before, s.Apps()...)
	for _, app := range s.Apps() {
		require.Equal(t, "ok\n", get(t, s, app, "/v1.0/invoke/"+app+"/method/healthz"), "at once")
	}

	require.NoError(t, s.Kill("cart-daprd"))
	before = pids(s)
	_, err = s.RestartApps(t.Context(), AllApps)
	require.ErrorContains(t, err, "the sidecar of cart has stopped (signal: killed)")
	requireRestarted(t, s, before)
}

func TestDetachedAppRunsElsewhereBesideItsSidecar(t *testing.T) {
	const app = "notifications"
	s := startShop(t, config.Options{Env: map[string]string{"QUOTED": "it's $HOME `id` \"x\""}})
	before := pids(s)
	_, err := s.Detach("notification")
	require.ErrorContains(t, err, `no app "notification": the apps of this shop are gateway, `)
	_, err = s.Detach(AllApps)
	require.ErrorContains(t, err, "one app at a time")

	d, err := s.Detach(app)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(s.RunDir(), "detached", app+".env"), d.File)
	info, err := os.Stat(d.File)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	written, err := secrets.ReadShellFile(d.File)
	require.NoError(t, err)
	require.Equal(t, d.Env, written)
	require.Equal(t, s.SidecarToken(app), d.Env["DAPR_API_TOKEN"])
	require.NotContains(t, d.Env, "PATH")
	require.NotContains(t, d.Env, "")
	p, _ := s.Process(app)
	require.True(t, p.Detached)
	require.False(t, p.Alive())
	requireRestarted(t, s, before)
	require.NoError(t, s.Ready(t.Context()), "it is not waited for")
	again, err := s.Detach(app)
	require.NoError(t, err)
	require.Equal(t, d, again)

	// The program of the tests stands for the one in a debugger.
	elsewhere := exec.Command("/bin/sh", "-c", `set -a; . "$0"; exec "$1"`, d.File,
		filepath.Join(toolchain.BinDir(s.opts.Root), app))
	elsewhere.Dir, elsewhere.Env = d.Dir, append(os.Environ(), "DEBUGGED=yes")
	require.NoError(t, elsewhere.Start())
	stop := func() {
		_ = elsewhere.Process.Kill()
		_ = elsewhere.Wait()
	}
	defer stop()
	env := func(name string) string {
		return get(t, s, "gateway", "/v1.0/invoke/"+app+"/method/env/"+name)
	}
	require.Eventually(t, func() bool { return env("DEBUGGED") == "yes" }, 30*time.Second, 100*time.Millisecond)
	require.Equal(t, s.opts.Env["QUOTED"], env("QUOTED"))
	require.Empty(t, env("HABERDASH_RUN"), "the guard of the shop leaves it alone")
	publish := func(n int) {
		code, answer := post(s, "orders", "/v1.0/publish/pubsub/orders", fmt.Sprintf(`{"n":%d}`, n))
		require.Equal(t, http.StatusNoContent, code, answer)
		require.Eventually(t, func() bool {
			return strings.Contains(launchtest.Get(t, s.AppURL(app)+"/events"), fmt.Sprintf(`{"n":%d}`, n))
		}, 60*time.Second, 100*time.Millisecond)
	}
	publish(1)

	for _, names := range [][]string{{app}, {AllApps}} {
		_, err = s.RestartApps(t.Context(), names...)
		require.ErrorContains(t, err, "of notifications is in use by notifications (pid ")
		require.ErrorContains(t, err, "end that program, then `make restart APP=notifications`")
		requireRestarted(t, s, before)
	}
	stop()
	_, err = s.RestartApps(t.Context(), app)
	require.NoError(t, err)
	require.Empty(t, env("DEBUGGED"), "the shop runs it again, and its sidecar knows that at once")
	require.NotEmpty(t, env("APP_ID"))
	requireRestarted(t, s, before, app)
	require.NoFileExists(t, d.File)
	p, _ = s.Process(app)
	require.False(t, p.Detached)
	publish(2)

	// Servers of `make observe` that start meanwhile: the file gets the variables of tracing, and nobody else starts the
	// app.
	_, err = s.Detach(app)
	require.NoError(t, err)
	before = pids(s)
	servers := observe.Dir(s.RunDir())
	lock, err := rundir.Acquire(servers)
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Release()) }()
	const endpoint = "http://127.0.0.1:1"
	vars := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
	require.NoError(t, secrets.WriteFile(filepath.Join(servers, "tracing.env"), vars))
	require.NoError(t, s.FollowObserve(t.Context()))
	var restarts []string
	for _, name := range s.Apps() {
		if name != app {
			restarts = append(restarts, name)
		}
		restarts = append(restarts, name+"-daprd")
	}
	requireRestarted(t, s, before, restarts...)
	written, err = secrets.ReadShellFile(d.File)
	require.NoError(t, err)
	require.Equal(t, endpoint, written["OTEL_EXPORTER_OTLP_ENDPOINT"])
	require.Equal(t, app, written["OTEL_SERVICE_NAME"])

	mark := s.State().RunID
	require.NoError(t, s.Stop(context.Background()))
	require.Empty(t, process.Marked(mark))
}
