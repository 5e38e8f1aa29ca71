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

// startState gives the state store of a real sidecar on the embedded default.
func startState(tb testing.TB) sidecar.State {
	s, err := launch.StartSidecar(context.Background(), launch.SidecarOptions{
		AppID: "orders", RunDir: tb.TempDir(), ResourcesPaths: []string{filepath.Join("components", "state", "sqlite"), filepath.Join("components", "secrets", "env")},
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

func TestSQLiteThroughSidecar(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(t *testing.T) sidecar.State { return startState(t) })
}
