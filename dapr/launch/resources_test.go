package launch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// A timeout on calls of an app would let any client that hangs up kill the gateway's sidecar: see resiliency.yaml.
func TestNoCallOfAnAppHasATimeoutInItsSidecar(t *testing.T) {
	root, err := FindRoot()
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
	require.NotEmpty(t, file.Spec.Targets.Components, "this is not the file")
	require.NotContains(t, file.Spec.Policies.Timeouts, "DefaultTimeoutPolicy")
	require.NotContains(t, file.Spec.Policies.Timeouts, "DefaultAppTimeoutPolicy")
	for app, target := range file.Spec.Targets.Apps {
		require.Empty(t, target.Timeout, app)
	}
}
