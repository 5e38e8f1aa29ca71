package toolchain

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func daprSource(t *testing.T) (root, module string) {
	t.Helper()
	root, err := FindRoot()
	require.NoError(t, err)
	module, err = moduleDir(t.Context(), filepath.Join(root, "dapr", "local"), daprModule)
	require.NoError(t, err)
	return root, module
}

func TestCatalogueOfComponentsKnowsDaprsTypes(t *testing.T) {
	t.Parallel()
	_, module := daprSource(t)
	c, err := readCatalogue(module)
	require.NoError(t, err)
	for want, file := range map[string]string{
		"state.redis": "state_redis.go", "state.postgresql": "state_postgres.go", "state.sqlite": "state_sqlite.go",
		"pubsub.kafka": "pubsub_kafka.go", "pubsub.jetstream": "pubsub_jetstream.go", "bindings.smtp": "bindings_smtp.go",
		"bindings.localstorage": "bindings_localstorage.go", "secretstores.local.env": "secretstores_local_env.go",
		"secretstores.kubernetes": "secretstores_kubernetes.go", "nameresolution.mdns": "nameresolution_mdns.go",
		"middleware.http.bearer": "middleware_http_bearer.go",
	} {
		require.Len(t, c[want], 1, want)
		require.Equal(t, file, filepath.Base(c[want][0]), want)
	}
}

func TestUnknownTypeOfComponentIsAnsweredWithNearOnes(t *testing.T) {
	t.Parallel()
	_, module := daprSource(t)
	c, err := readCatalogue(module)
	require.NoError(t, err)
	_, err = c.files([]component{{kind: "state.redis"}, {"pubsub.rabitmq", "pubsub", "my/pubsub.yaml"}})
	require.EqualError(t, err, `my/pubsub.yaml: the component pubsub has the type "pubsub.rabitmq", which Dapr 1.18.1 `+
		`does not have: nearest are pubsub.rabbitmq, pubsub.kubemq, pubsub.rocketmq`)
	require.Len(t, c.nearest("store.redis"), nearby)
}

func TestOverlayHasTheNamedComponentsOnly(t *testing.T) {
	t.Parallel()
	root, module := daprSource(t)
	file, err := overlay(root, module, t.TempDir(), []component{{kind: "state.redis"}, {kind: "pubsub.jetstream"}})
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var got struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &got))
	require.Len(t, got.Replace, 4)
	for to, from := range got.Replace {
		relative, err := filepath.Rel(filepath.Join(root, "dapr", "local", "daprd"), to)
		require.NoError(t, err)
		require.Contains(t, []string{"main.go", "app/app.go", "components/state_redis.go", "components/pubsub_jetstream.go"},
			relative)
		source, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NotContains(t, string(source), "go:build")
		require.NotContains(t, string(source), `"`+daprComponents+`"`)
		require.NotContains(t, string(source), `"`+daprApp+`"`)
	}
}

func TestSidecarHasTheTypesOfTheCheckoutAndOfTheChosenFolders(t *testing.T) {
	t.Parallel()
	root, folder := t.TempDir(), t.TempDir()
	write := func(dir, text string) {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o600))
	}
	one := "kind: Component\nmetadata: {name: state}\nspec: {type: state.redis}\n"
	write(filepath.Join(root, "components", "state", "redis"), one+"---\n"+one+"---\nkind: Resiliency\n")
	write(folder, one+"---\nkind: Component\nmetadata: {name: other}\nspec: {type: State.MongoDB}\n")
	own, others, err := neededComponents(root, []string{folder})
	require.NoError(t, err)
	require.Equal(t, []string{"state.redis"}, typesOf(own))
	require.Equal(t, []component{{"state.mongodb", "other", filepath.Join(folder, "x.yaml")}}, others)
	write(folder, "kind: [")
	_, _, err = neededComponents(root, []string{folder})
	require.ErrorContains(t, err, filepath.Join(folder, "x.yaml"))
}
