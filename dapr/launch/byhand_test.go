package launch

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/secrets"
)

// By hand, the program that the CLI starts as daprd passes on all arguments except the address of another scheduler. It
// adds what Tye has no setting for.
func TestDaprdByHandAddsTheFlagsOfTheApp(t *testing.T) {
	t.Parallel()
	o, f := completed(t, config.Options{RunDir: t.TempDir(), BackingOnly: true, PortBase: 31000})
	s := &Shop{opts: o, file: f}
	s.tools.Daprd = "printf" // prints the arguments after its first
	require.NoError(t, s.prepare())
	vars, err := secrets.ReadShellFile(EnvFile(o.RunDir))
	require.NoError(t, err)
	run := func(args ...string) []string {
		bin := filepath.Join(vars["DAPR_RUNTIME_PATH"], ".dapr", "bin", "daprd")
		cmd := exec.Command(bin, append([]string{`%s\n`}, args...)...)
		cmd.Env = process.Environment(nil)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	given := []string{"--config", "a b/$x.yaml", "--app-id", "gateway"}
	cut := []string{"--scheduler-host-address", "localhost:50006"}
	scheduler := "--scheduler-host-address=127.0.0.1:31004"
	flags := []string{
		"--dapr-listen-addresses=127.0.0.1", "--app-health-check-path=/healthz", "--app-health-probe-interval=3",
		"--app-health-probe-timeout=2500", "--enable-app-health-check=true", "--max-body-size=64Mi",
		"--read-buffer-size=16Ki",
	}
	got := run(slices.Concat(given[:2], cut, given[2:])...)
	require.Equal(t, given, got[:len(given)])
	require.ElementsMatch(t, append(flags, scheduler), got[len(given):])
	require.Contains(t, run("--app-id", "cart"), "--max-body-size=4Mi")
	require.Equal(t, []string{"--app-id", "stranger", scheduler}, run("--app-id", "stranger"))
	require.Equal(t, []string{"--version"}, run("--version"))

	for _, a := range f.Apps {
		require.FileExists(t, filepath.Join(o.RunDir, "tye", "config", a.AppID+".yaml"), fmt.Sprint("all apps, ", a.AppID))
	}
}
