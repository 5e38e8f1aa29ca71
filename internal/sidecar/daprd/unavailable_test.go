package daprd_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/standalone"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/sidecartest/statetest"
)

// The server of the state store that STATE chooses hangs, and then it is stopped. SQLite has no server: it is a part of
// the sidecar.
func TestStateWithoutItsServer(t *testing.T) {
	t.Parallel()
	o, servers, stop, err := config.Options{RunDir: t.TempDir(), State: os.Getenv("STATE")}.WithServers(t.Context())
	require.NoError(t, err)
	t.Cleanup(stop)
	if servers == nil {
		require.Contains(t, []string{"", "sqlite"}, os.Getenv("STATE"), "only SQLite has no server")
		t.Skip("SQLite has no server; make test-infra runs this test with those that have one")
	}
	server := servers.Names()[0]
	client := start(t, standalone.SidecarOptions{AppID: "orders", Env: o.Env},
		o.Components("state", o.State), "secrets/env")
	store := client.State(daprd.StateStore)
	open := func(*testing.T) sidecar.State { return store }
	require.NoError(t, servers.Pause(server))
	t.Run("hanging", func(t *testing.T) { statetest.TestUnavailable(t, open) })
	require.NoError(t, servers.Resume(server))
	require.NoError(t, servers.Terminate(server))
	t.Run("stopped", func(t *testing.T) { statetest.TestUnavailable(t, open) })
}
