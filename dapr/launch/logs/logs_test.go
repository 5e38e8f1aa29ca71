package logs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogsTellWhyASidecarStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders_daprd_20260102150405.log")
	require.NoError(t, os.WriteFile(path, []byte(
		"Starting Dapr with id orders. HTTP Port: 1. gRPC Port: 2\n"+
			`time="2026" level=fatal msg="Fatal error from runtime: no \"state\"" app_id=orders`+"\n"+
			"The daprd process exited with error code: exit status 1\n"), 0o600))
	require.Equal(t, `no "state"`, FatalError(path))
	require.Equal(t, "exit status 1", ExitReason(path))
	require.Equal(t, "orders-daprd", processName(path))
	require.Equal(t, "orders", processName("x/orders_app_20260102150405.log"))
	require.Equal(t, "broker", processName("x/broker.log"))
	require.Equal(t, `{"level":"info"}`, clean("\x1b[94;1m== APP - orders == {\"level\":\"info\"}\x1b[0m"))
	require.Empty(t, FatalError("missing"))
	require.NoError(t, os.WriteFile(path, []byte("== APP - orders == "+
		`{"log.level":"error","error.message":"no port","@timestamp":"2026-01-02T15:00:03Z","message":"cannot go on"}`+"\n"+
		"✅  stopped\nplain\n"), 0o600))
	require.Equal(t, "\n    cannot go on error=\"no port\"\n    plain", Quote(path, 3))
}
