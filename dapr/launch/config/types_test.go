package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownTypesAreNamedWithTheNearest(t *testing.T) {
	dir := t.TempDir()
	text := "kind: Component\nmetadata: {name: state}\nspec: {type: state.postgress, version: v1}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.yaml"), []byte(text), 0o600))
	known := []string{
		"bindings.localstorage", "pubsub.kafka", "secretstores.local.env", "state.mysql", "state.postgres",
		"state.postgresql", "state.redis",
	}
	o, err := Options{State: dir}.Complete()
	require.NoError(t, err)
	err = o.CheckTypes(known)
	require.EqualError(t, err, "STATE="+dir+`: the component state has the type "state.postgress", `+
		"which the sidecar does not have: nearest are state.postgres, state.postgresql, state.redis")
	require.NoError(t, o.CheckTypes(append(known, "state.postgress")))
	require.Equal(t, []string{"pubsub.kafka"}, nearest("pubsub.kafak", known))
	require.Len(t, nearest("store.redis", known), nearby)
}

func TestDistanceCountsInsertionsRemovalsAndReplacements(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"redis", "redis", 0}, {"redis", "rediss", 1},
	} {
		require.Equal(t, c.want, distance(c.a, c.b), "%s, %s", c.a, c.b)
	}
}
