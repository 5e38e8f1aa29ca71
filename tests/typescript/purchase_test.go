// Package typescript buys from a running shop with the TypeScript client, which `make clients` builds. It needs
// Node.js, so it is not part of `make test`: `make test-clients` runs it.
package typescript

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

func TestTypeScriptClientBuys(t *testing.T) {
	o := config.Options{RunDir: t.TempDir(), FreePorts: true, Env: map[string]string{"RATE_LIMIT": "off"}, Log: io.Discard}
	s, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	defer s.Stop(t.Context())
	node := exec.CommandContext(t.Context(), "node", filepath.Join("dist-test", "test", "purchase.js"))
	node.Dir = filepath.Join("..", "..", "clients", "typescript")
	node.Env = append(os.Environ(), "SHOP="+s.GatewayURL())
	out, err := node.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "bought and cancelled H")
}
