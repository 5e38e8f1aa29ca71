package byhand

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/standalone"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// The commands of docs/operations.md with what `dapr init` installs: Dapr's own daprd in the home directory, placement,
// scheduler, Redis, and names by mDNS. Only the ports differ: apps.yaml names those of placement and scheduler, and
// dapr/env.sh gets the address of Redis.
func TestServersOfDaprInitAreEnoughForDaprRun(t *testing.T) {
	t.Parallel()
	dir, root := checkout(t)
	runDir := filepath.Join(dir, ".run")
	tools, err := toolchain.EnsureTools(t.Context(), root, false, t.Output())
	require.NoError(t, err)
	home, err := toolchain.EnsureOfficialSidecar(t.Context(), root, t.Output())
	require.NoError(t, err)
	options := standalone.ControlPlaneOptions{Root: root, RunDir: t.TempDir()}
	control, err := standalone.StartControlPlane(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(control.Stop)
	servers, err := infra.Start(t.Context(), infra.Options{Root: root, Dir: t.TempDir(), Servers: []string{"redis"}})
	require.NoError(t, err)
	t.Cleanup(servers.Stop)
	block, err := ports.Reserve()
	require.NoError(t, err)
	t.Cleanup(block.Release)

	// Resources and programs are those of the checkout; the run file has other ports.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dapr"), 0o700))
	for _, name := range []string{
		"components", "dapr/resources", "dapr/config.yaml", "dapr/init", "dapr/env.sh", ".run/bin",
	} {
		require.NoError(t, os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)))
	}
	file, err := os.ReadFile(filepath.Join(root, "dapr", "apps.yaml"))
	require.NoError(t, err)
	addresses := fmt.Sprintf("\ncommon:\n  placementHostAddress: %s\n  schedulerHostAddress: %s\n",
		control.Placement.Address, control.Scheduler.Address)
	text := strings.Replace(moved(string(file), block.Base), "\ncommon:\n", addresses, 1)
	require.Contains(t, text, addresses)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dapr", "apps.yaml"), []byte(text), 0o600))

	env := servers.Vars()
	env["HOME"] = home
	env["PATH"] = filepath.Dir(tools.Dapr) + ":" + os.Getenv("PATH")
	set, err := supervisor.NewSet(t.Context(), root, t.Output())
	require.NoError(t, err)
	gateway := block.Base + ports.FirstApp
	require.NoError(t, set.Start(supervisor.Spec{
		Name: "dapr", Kind: process.KindCLI, Healthy: supervisor.HTTPCheck(gateway, "/readyz"),
		Command: process.Command{
			Args: []string{"/bin/sh", "-c", ". dapr/env.sh; exec dapr run -f dapr/apps.yaml"}, Dir: dir,
			Env: process.Environment(env), Log: filepath.Join(dir, "dapr.log"), Grace: soon,
		},
	}))
	t.Cleanup(func() { set.TerminateAll(0, []string{"dapr"}) })
	t.Cleanup(func() {
		if t.Failed() {
			files, _ := filepath.Glob(filepath.Join(runDir, ".dapr", "logs", "*.log"))
			for _, path := range files {
				t.Logf("%s:%s", filepath.Base(path), logs.Quote(path, 8))
			}
		}
	})
	await(t, set, "dapr")

	client := api.New(fmt.Sprintf("http://127.0.0.1:%d", gateway))
	order := buy(t, client.BaseURL, filepath.Join(runDir, "mail"))
	// The shop is ready before the last app, which it does not need.
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(roster.Apps(), func(a roster.App) bool {
			port, _ := strconv.Atoi(moved(strconv.Itoa(a.Port), block.Base))
			return !supervisor.HTTPCheck(port, "/readyz")(t.Context())
		})
	}, soon, tick)

	// A second run has the same keys: it opens what the first has sealed.
	require.NoError(t, set.Terminate("dapr"))
	require.Eventually(t, func() bool {
		res, err := http.Get(client.BaseURL + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	}, soon, tick, "the apps end with dapr run")
	require.NoError(t, set.Restart("dapr"))
	await(t, set, "dapr")
	admin, err := client.AsAdmin(t.Context())
	require.NoError(t, err)
	again, err := admin.Order(t.Context(), order.ID, "")
	require.NoError(t, err)
	require.Equal(t, order.Number, again.Number)
	again, err = client.Order(t.Context(), order.ID, order.AccessToken)
	require.NoError(t, err)
	require.Equal(t, "fulfilled", again.Status)
}

func TestEnvironmentIsOnlyForTheFolderOfTheCheckout(t *testing.T) {
	t.Parallel()
	_, root := checkout(t)
	dir := t.TempDir()
	err := process.Run(t.Context(), "", "/bin/sh", "-c",
		`cd "$1"; . "$0"; [ ! -e .run ] && [ -z "$ID_KEY" ] && exit 3`, filepath.Join(root, "dapr", "env.sh"), dir)
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "dapr/env.sh: change to the folder of the checkout first")
}
