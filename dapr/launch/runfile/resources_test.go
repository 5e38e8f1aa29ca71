package runfile

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/contract"
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

// Dapr reports no error for a scope or topic with a typing error: the component or the events are just missing.
func TestResourcesNameKnownAppsAndTopics(t *testing.T) {
	o, f := defaults(t, config.Options{})
	apps := map[string]bool{}
	for _, a := range f.Apps {
		apps[a.AppID] = true
	}
	files, err := filepath.Glob(filepath.Join(o.Root, "components", "*", "*", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	resources, err := filepath.Glob(filepath.Join(o.Root, "dapr", "resources", "*.yaml"))
	require.NoError(t, err)
	deadLettersOf := map[string]bool{}
	for _, path := range append(files, resources...) {
		r, err := os.Open(path)
		require.NoError(t, err)
		defer r.Close()
		for d := yaml.NewDecoder(r); ; {
			var doc struct {
				Kind   string
				Scopes []string
				Spec   struct {
					Topic           string
					Routes          struct{ Default string }
					DeadLetterTopic string `yaml:"deadLetterTopic"`
				}
			}
			err := d.Decode(&doc)
			if err == io.EOF {
				break
			}
			require.NoError(t, err, path)
			if doc.Kind == "Component" || doc.Kind == "Subscription" {
				require.NotEmpty(t, doc.Scopes, "%s: every component and subscription has scopes", path)
			}
			for _, s := range doc.Scopes {
				require.True(t, apps[s], "%s: no app %q", path, s)
			}
			if doc.Kind == "Subscription" {
				require.Len(t, doc.Scopes, 1, "%s: each app has its own dead letters", path)
				app := doc.Scopes[0]
				require.Contains(t, contract.Consumers(), app, path)
				require.Contains(t, contract.Topics(), doc.Spec.Topic, path)
				require.Equal(t, "/events/"+doc.Spec.Topic, doc.Spec.Routes.Default, path)
				if doc.Spec.Topic == contract.DeadLetters(app) {
					deadLettersOf[app] = true
				} else {
					require.Equal(t, contract.DeadLetters(app), doc.Spec.DeadLetterTopic, path)
				}
			}
		}
	}
	require.Len(t, deadLettersOf, len(contract.Consumers()), "every consumer subscribes to its own dead letters")
}
