package deploy

import (
	"maps"
	"testing"

	configuration "github.com/dapr/dapr/pkg/apis/configuration/v1alpha1"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// requireNoOtherSecrets requires that both secret stores of a sidecar deny the secrets that are not listed, and that
// Dapr's own store denies all: it could read every Secret of the namespace.
func requireNoOtherSecrets(t *testing.T, c *configuration.Configuration) {
	t.Helper()
	stores := map[string]configuration.SecretsScope{}
	for _, s := range c.Spec.Secrets.Scopes {
		stores[s.StoreName] = s
		require.Equal(t, "deny", s.DefaultAccess, "%s: %s", c.Name, s.StoreName)
	}
	require.Len(t, stores, 2, c.Name)
	require.Contains(t, stores, "secrets", c.Name)
	require.Contains(t, stores, "kubernetes", c.Name)
	require.Empty(t, stores["kubernetes"].AllowedSecrets, c.Name)
}

// On a cluster the sidecars have the same configuration as on a laptop, except for name resolution.
func TestEachConfigurationIsTheCommonOneWithTheAccessRulesOfTheApp(t *testing.T) {
	c := newCheckout(t)
	common, err := readMap(c, "/dapr/config.yaml")
	require.NoError(t, err)
	want := common["spec"].(map[string]any)
	delete(want, "nameResolution")
	all, err := c.render("/deploy/overlays/redis-redis")
	require.NoError(t, err)
	require.Nil(t, config(all, "haberdash"), "the Configuration of each app contains it")
	for _, d := range objects[*apps.Deployment](all) {
		file, err := readMap(c, "/dapr/secure/"+d.Name+".yaml")
		require.NoError(t, err)
		spec := file["spec"].(map[string]any)
		for _, p := range spec["accessControl"].(map[string]any)["policies"].([]any) {
			p.(map[string]any)["namespace"] = "haberdash"
		}
		maps.Copy(spec, want)
		b, err := yaml.Marshal(file)
		require.NoError(t, err)
		decoded, err := decode(b)
		require.NoError(t, err)
		require.Equal(t, decoded.(*configuration.Configuration).Spec, config(all, d.Name).Spec, d.Name)
		requireNoOtherSecrets(t, config(all, d.Name))
	}
}
