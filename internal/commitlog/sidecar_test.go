package commitlog_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// startState gives the state store of a real sidecar, of the choice that STATE makes.
func startState(tb testing.TB) sidecar.State {
	dir := tb.TempDir()
	o, _, stop, err := launch.Options{RunDir: dir, State: os.Getenv("STATE")}.WithServers(context.Background())
	require.NoError(tb, err)
	tb.Cleanup(stop)
	s, err := launch.StartSidecar(context.Background(), launch.SidecarOptions{
		AppID: "orders", RunDir: dir, Env: o.Env,
		ResourcesPaths: []string{filepath.Join("components", "state", o.State), filepath.Join("components", "secrets", "env")},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { s.Stop() })
	c, err := daprd.New(daprd.Options{HTTPPort: s.HTTPPort, GRPCPort: s.GRPCPort})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	require.NoError(tb, c.Wait(context.Background()))
	return c.State(daprd.StateStore)
}

func TestMain(m *testing.M) {
	code := m.Run()
	launch.Leave()
	os.Exit(code)
}

func TestThroughSidecar(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(t *testing.T) sidecar.State { return startState(t) })
}
