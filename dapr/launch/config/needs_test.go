package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
)

func TestMissingSecretIsNamedWithItsComponent(t *testing.T) {
	t.Setenv("REDIS_HOST", "127.0.0.1:1")
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	empty := t.TempDir() // a checkout without the servers of make infra
	require.NoError(t, os.CopyFS(filepath.Join(empty, "components"), os.DirFS(filepath.Join(root, "components"))))
	o, err := Options{Root: empty, State: "redis"}.Complete()
	require.NoError(t, err)
	_, err = o.SecretValues()
	require.ErrorContains(t, err, "STATE=redis (component state) needs the secret REDIS_PASSWORD")
	require.ErrorContains(t, err, "make infra")

	require.NoError(t, os.MkdirAll(filepath.Dir(infraVars(empty)), 0o755))
	require.NoError(t, secrets.WriteFile(infraVars(empty), map[string]string{
		"REDIS_HOST": "127.0.0.1:2", "REDIS_PASSWORD": "secret",
	}))
	vars, err := o.SecretValues()
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", vars["REDIS_HOST"], "the environment comes first")
	require.Equal(t, "secret", vars["REDIS_PASSWORD"])
	require.Contains(t, vars, brokersVariable, "the address of the embedded broker")
}

// All choices of a kind have the same components for the same apps, and no file has an address or password.
func TestChoicesOfAKindAreInterchangeable(t *testing.T) {
	root, err := toolchain.FindRoot()
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
				if n := c.Metadata.Name; n != "erasure" && n != "truncation" { // SQLite alone needs them, and no app uses them
					scopes[c.Metadata.Name] = c.Scopes
				}
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
