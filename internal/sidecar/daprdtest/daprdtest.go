// Package daprdtest starts what tests and benchmarks of the Dapr adapters need: the state store that the environment
// variable STATE chooses, a sidecar with it, and a server for the app beside a sidecar. The TestMain of a package
// that uses it must call process.CloseGuard at its end.
package daprdtest

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/standalone"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// State returns the state store of a sidecar that ends with the test.
func State(tb testing.TB, app string) sidecar.State {
	tb.Helper()
	o := StateOptions(tb)
	s, err := standalone.StartSidecar(context.Background(), standalone.SidecarOptions{
		AppID: app, RunDir: tb.TempDir(), Env: o.Env,
		ResourcesPaths: []string{
			o.Components("state", o.State), filepath.Join("components", "secrets", "env"),
		},
	})
	require.NoError(tb, err)
	tb.Cleanup(s.Stop)
	c, err := daprd.New(daprd.Options{HTTPPort: s.HTTPPort, GRPCPort: s.GRPCPort})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	require.NoError(tb, c.Wait(context.Background()))
	return c.State(daprd.StateStore)
}

// StateOptions returns the state store that STATE chooses, SQLite by default, and the environment that a sidecar
// needs for it. If the store is a server, it is one of the test's own, and ends with it.
func StateOptions(tb testing.TB) config.Options {
	tb.Helper()
	o, _, stop, err := config.Options{RunDir: tb.TempDir(), State: os.Getenv("STATE")}.WithServers(context.Background())
	require.NoError(tb, err)
	tb.Cleanup(stop)
	return o
}

// Serve serves an app on the loopback interface until stop is called or the test ends.
func Serve(tb testing.TB, app http.Handler) (port int, stop func()) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	s := &http.Server{Handler: app}
	go s.Serve(l)
	stop = func() { s.Close() }
	tb.Cleanup(stop)
	return l.Addr().(*net.TCPAddr).Port, stop
}
