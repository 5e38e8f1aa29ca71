package launch

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/internal/contract"
)

func defaults(t *testing.T, o Options) (Options, runFile) {
	t.Helper()
	o, err := o.complete()
	require.NoError(t, err)
	f, err := readRunFile(runFilePath(o.Root))
	require.NoError(t, err)
	return o, f
}

func TestRenderedDefaultsEqualTheFileThatPeopleRunByHand(t *testing.T) {
	for _, v := range []string{"LOG_LEVEL", "RATE_LIMIT", "DEMO_CATALOGUE", "ADMIN_EMAIL", "ADMIN_PASSWORD", "OTEL_SERVICE_NAME"} {
		if old, ok := os.LookupEnv(v); ok {
			os.Unsetenv(v)
			t.Cleanup(func() { os.Setenv(v, old) })
		}
	}
	o, f := defaults(t, Options{})
	got := f.render(o)

	want := f
	base := filepath.Join(o.Root, "dapr")
	want.Common.ConfigFile = filepath.Join(base, f.Common.ConfigFile)
	want.Common.Resources = nil
	for _, r := range f.Common.Resources {
		want.Common.Resources = append(want.Common.Resources, filepath.Join(base, r))
	}
	want.Apps = slices.Clone(f.Apps)
	for i := range want.Apps {
		want.Apps[i].Dir = filepath.Join(base, f.Apps[i].Dir)
	}
	require.Equal(t, want, got)

	for _, path := range append(got.Common.Resources, got.Common.ConfigFile) {
		_, err := os.Stat(path)
		require.NoError(t, err)
	}
}

func TestRenderMovesPortsAndTakesChoicesAndEnvironment(t *testing.T) {
	t.Setenv("RATE_LIMIT", "off")
	t.Setenv("NOT_IN_THE_FILE", "x")
	o, f := defaults(t, Options{
		RunDir: t.TempDir(), PortBase: 31000, GatewayPort: 9999, Env: map[string]string{"EXTRA": "1"},
	})
	o.State = "redis"
	got := f.render(o)
	require.Contains(t, got.Common.Resources, filepath.Join(o.Root, "components", "state", "redis"))
	require.NotContains(t, got.Common.Resources, filepath.Join(o.Root, "components", "state", "sqlite"))
	require.Equal(t, "127.0.0.1:31000", got.Common.PlacementHost)
	require.Equal(t, "127.0.0.1:31004", got.Common.SchedulerHost)
	for i, a := range got.Apps {
		require.Equal(t, o.RunDir, a.Dir)
		require.Equal(t, f.Apps[i].HTTPPort-DefaultPortBase+31000, a.HTTPPort)
		require.Equal(t, "1", a.Env["EXTRA"])
		require.NotContains(t, a.Env, "NOT_IN_THE_FILE")
		if a.AppID == "gateway" {
			require.Equal(t, 9999, a.Port)
			require.Equal(t, "off", a.Env["RATE_LIMIT"])
		}
	}
	require.NotContains(t, f.Apps[0].Env, "EXTRA", "the file as read stays as it was")
}

func TestNoTwoListenersShareAPort(t *testing.T) {
	o, f := defaults(t, Options{})
	seen := map[int]string{}
	for _, p := range o.ports(f.render(o)) {
		require.Empty(t, seen[p.Port], "%s and %s", p.For, seen[p.Port])
		seen[p.Port] = p.For
		if p.Port != DefaultGatewayPort {
			require.GreaterOrEqual(t, p.Port, DefaultPortBase)
			require.Less(t, p.Port, DefaultPortBase+blockSize)
		}
	}
}

func TestTyeDescribesTheSameApps(t *testing.T) {
	o, f := defaults(t, Options{})
	b, err := os.ReadFile(filepath.Join(o.Root, "tye.yaml"))
	require.NoError(t, err)
	var tye struct {
		Services []struct {
			Name       string
			Executable string
			Dir        string `yaml:"workingDirectory"`
			Bindings   []struct{ Port int }
		}
	}
	require.NoError(t, yaml.Unmarshal(b, &tye))
	require.Len(t, tye.Services, len(f.Apps))
	for i, a := range f.Apps {
		s := tye.Services[i]
		require.Equal(t, a.AppID, s.Name)
		require.Equal(t, strings.Join(a.Command, " "), s.Executable)
		require.Equal(t, filepath.Join("dapr", a.Dir), s.Dir, "both below the checkout")
		require.Len(t, s.Bindings, 1)
		require.Equal(t, a.Port, s.Bindings[0].Port)
	}
}

// A scope or topic that is misspelt is not an error to Dapr: the component or event is just not there.
func TestResourcesNameKnownAppsAndTopics(t *testing.T) {
	o, f := defaults(t, Options{})
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
				require.NotEmpty(t, doc.Scopes, "%s: everything is scoped", path)
			}
			for _, s := range doc.Scopes {
				require.True(t, apps[s], "%s: no app %q", path, s)
			}
			if doc.Kind == "Subscription" {
				require.Len(t, doc.Scopes, 1, "%s: dead letters are an app's own", path)
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
	require.Len(t, deadLettersOf, len(contract.Consumers()), "who consumes takes their own dead letters")
}
