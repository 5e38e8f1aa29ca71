package runfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/toolchain"
)

// With a timeout on the calls of an app, any client that closes its connection could crash the gateway's sidecar: see
// resiliency.yaml.
func TestNoSidecarHasATimeoutForCallsOfAnApp(t *testing.T) {
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "dapr", "resources", "resiliency.yaml"))
	require.NoError(t, err)
	var file struct {
		Spec struct {
			Policies struct{ Timeouts map[string]string }
			Targets  struct {
				Apps       map[string]struct{ Timeout string }
				Components map[string]any
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.NotEmpty(t, file.Spec.Targets.Components, "the file has no policies at all")
	require.NotContains(t, file.Spec.Policies.Timeouts, "DefaultTimeoutPolicy")
	require.NotContains(t, file.Spec.Policies.Timeouts, "DefaultAppTimeoutPolicy")
	for app, target := range file.Spec.Targets.Apps {
		require.Empty(t, target.Timeout, app)
	}
}
