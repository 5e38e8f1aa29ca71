package launch

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/toolchain"
)

// An app of another folder runs in the place of one of the shop: beside its sidecar, with its variables, topics and
// tokens. The commands of the inner loop work for it.
func TestReplacedAppRunsInThePlaceOfTheShops(t *testing.T) {
	const app = "notifications"
	folder := t.TempDir()
	root := testRoot(t)
	program := filepath.Join(toolchain.BinDir(root), app)
	text := fmt.Sprintf("replaces: %s\nbuild: [sh, -c, 'echo >>built']\ncommand: [./app, 'an argument']\n"+
		"health: /readyz\nenv: {REPLACED: \"yes\"}\n", app)
	require.NoError(t, os.WriteFile(filepath.Join(folder, appfile.Name), []byte(text), 0o600))
	require.NoError(t, os.Symlink(program, filepath.Join(folder, "app")))
	read, err := appfile.Read(folder)
	require.NoError(t, err)
	s := startShopOf(t, config.Options{Root: root, Secure: true, Replacements: []appfile.App{read}})
	require.FileExists(t, filepath.Join(folder, "built"))
	require.Equal(t, map[string]string{app: folder}, s.State().Replaced)
	env := func(name string) string { return launchtest.Get(t, s.AppURL(app)+"/env/"+name) }
	require.Equal(t, "yes", env("REPLACED"))
	require.Equal(t, fmt.Sprintf("http://localhost:%d", s.opts.GatewayPort), env("SHOP_URL"))
	require.Equal(t, "files", env("MAIL"))
	require.Empty(t, env(canaryVariable))
	p, _ := s.Process(app)
	require.Equal(t, []string{"./app", "an argument"}, arguments(t, p.PID))

	publish := func(n int) {
		code, answer := post(s, "orders", "/v1.0/publish/pubsub/orders", fmt.Sprintf(`{"n":%d}`, n))
		require.Equal(t, http.StatusNoContent, code, answer)
		require.Eventually(t, func() bool {
			return strings.Contains(launchtest.Get(t, s.AppURL(app)+"/events"), fmt.Sprintf(`{"n":%d}`, n))
		}, time.Minute, 100*time.Millisecond)
	}
	publish(1)
	code, said := post(s, app, "/v1.0/invoke/orders/method/internal/export", "{}")
	require.Equal(t, http.StatusForbidden, code, said)

	before := pids(s)
	_, err = s.RestartApps(t.Context(), app)
	require.NoError(t, err)
	requireRestarted(t, s, before, app)
	require.Equal(t, "yes", env("REPLACED"))
	publish(2)

	d, err := s.Detach(app)
	require.NoError(t, err)
	require.Equal(t, folder, d.Dir)
	require.Equal(t, []string{"./app", "an argument"}, d.Command)
	require.Equal(t, "yes", d.Env["REPLACED"])
	_, err = s.RestartApps(t.Context(), AllApps)
	require.NoError(t, err)
	publish(3)
}

// arguments returns the command line of a process.
func arguments(t *testing.T, pid int) []string {
	t.Helper()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	require.NoError(t, err)
	return strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
}
