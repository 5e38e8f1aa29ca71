// Package daprdtest gives tests and benchmarks a real sidecar's state store.
package daprdtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/standalone"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// State gives the state store of a sidecar that ends with the test, of the choice that STATE makes, SQLite by default.
// The package's TestMain calls process.CloseGuard of dapr/launch at its end.
func State(tb testing.TB, app string) sidecar.State {
	tb.Helper()
	dir := tb.TempDir()
	o, _, stop, err := config.Options{RunDir: dir, State: os.Getenv("STATE")}.WithServers(context.Background())
	require.NoError(tb, err)
	tb.Cleanup(stop)
	s, err := standalone.StartSidecar(context.Background(), standalone.SidecarOptions{
		AppID: app, RunDir: dir, Env: o.Env,
		ResourcesPaths: []string{filepath.Join("components", "state", o.State), filepath.Join("components", "secrets", "env")},
	})
	require.NoError(tb, err)
	tb.Cleanup(s.Stop)
	c, err := daprd.New(daprd.Options{HTTPPort: s.HTTPPort, GRPCPort: s.GRPCPort})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	require.NoError(tb, c.Wait(context.Background()))
	return c.State(daprd.StateStore)
}
