package launch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestASecretThatIsNowhereIsNamed(t *testing.T) {
	t.Setenv("REDIS_HOST", "127.0.0.1:1")
	root, err := FindRoot()
	require.NoError(t, err)
	empty := t.TempDir() // a checkout in which nobody has made infra
	require.NoError(t, os.CopyFS(filepath.Join(empty, "components"), os.DirFS(filepath.Join(root, "components"))))
	o, err := Options{Root: empty, State: "redis"}.complete()
	require.NoError(t, err)
	_, err = o.supply()
	require.ErrorContains(t, err, "STATE=redis (component state) needs the secret REDIS_PASSWORD")
	require.ErrorContains(t, err, "make infra")

	require.NoError(t, os.MkdirAll(filepath.Dir(infraVars(empty)), 0o755))
	require.NoError(t, writeVars(infraVars(empty), map[string]string{"REDIS_HOST": "127.0.0.1:2", "REDIS_PASSWORD": "secret"}))
	vars, err := o.supply()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", vars["REDIS_HOST"], "the environment's own goes first")
	require.Equal(t, "secret", vars["REDIS_PASSWORD"])
	require.Contains(t, vars, brokersVariable, "the embedded broker's")
}

// Every choice of a kind has the same components, for the same apps, and no address or password in its file.
func TestChoicesAreInterchangeable(t *testing.T) {
	root, err := FindRoot()
	require.NoError(t, err)
	secret := []string{"redisHost", "redisPassword", "connectionString", "brokers", "host", "port", "user", "password"}
	for _, kind := range []string{"state", "pubsub", "mail", "secrets"} {
		dirs, err := filepath.Glob(filepath.Join(root, "components", kind, "*"))
		require.NoError(t, err)
		first := map[string][]string{}
		for i, dir := range dirs {
			scopes := map[string][]string{}
			files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
			require.NoError(t, err)
			require.NotEmpty(t, files, dir)
			for _, path := range files {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				var c struct {
					Metadata struct{ Name string }
					Spec     struct {
						Type     string
						Metadata []struct{ Name, Value string }
					}
					Scopes []string
				}
				require.NoError(t, yaml.Unmarshal(b, &c), path)
				require.NotEmpty(t, c.Scopes, path)
				scopes[c.Metadata.Name] = c.Scopes
				for _, m := range c.Spec.Metadata {
					if slices.Contains(secret, m.Name) && c.Spec.Type != "state.sqlite" {
						require.Empty(t, m.Value, "%s: %s belongs to the secret store", path, m.Name)
					}
				}
			}
			if i == 0 {
				first = scopes
			}
			require.Equal(t, first, scopes, dir)
		}
	}
}

// What a sidecar says of a component that does not work is in the launcher's error, soon.
func TestAComponentThatDoesNotWorkIsNamed(t *testing.T) {
	t.Parallel()
	for choice, c := range map[string]struct {
		env  map[string]string
		says []string
	}{
		"state/redis":    {map[string]string{"REDIS_HOST": "127.0.0.1:1", "REDIS_PASSWORD": "x"}, []string{"state.redis", "connection refused"}},
		"state/postgres": {map[string]string{"POSTGRES_CONNECTION": "postgres://a:b@127.0.0.1:1/c?sslmode=disable"}, []string{"state.postgresql", "connection refused"}},
		"pubsub/redis":   {map[string]string{"REDIS_HOST": "127.0.0.1:1", "REDIS_PASSWORD": "x"}, []string{"pubsub.redis", "connection refused"}},
		"pubsub/kafka":   {map[string]string{"KAFKA_BROKERS": "127.0.0.1:1"}, []string{"pubsub.kafka", "brokers"}},
	} {
		t.Run(choice, func(t *testing.T) {
			t.Parallel()
			soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			s, err := StartSidecar(soon, SidecarOptions{
				AppID: "orders", RunDir: t.TempDir(), Env: c.env,
				ResourcesPaths: []string{filepath.Join("components", filepath.FromSlash(choice)), filepath.Join("components", "secrets", "env")},
			})
			if err == nil { // it may say that it is well before it has asked all brokers; a shop waits longer
				select {
				case <-s.run.done:
				case <-soon.Done():
				}
				err = errors.New(fatal(s.run.Log))
				s.Stop()
			}
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}
