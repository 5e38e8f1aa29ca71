package asyncapi_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract/asyncapi"
)

var update = flag.Bool("update", false, "write api/asyncapi.yaml and api/events, after an intended change of an event")

var root = filepath.Join("..", "..", "..")

// The description of the events is in the repository, so that a review shows every change of an event.
func TestFilesAreWhatTheTypesSay(t *testing.T) {
	t.Parallel()
	files, err := asyncapi.Files(root)
	require.NoError(t, err)
	events := filepath.Join(root, "api", "events")
	if *update {
		require.NoError(t, os.RemoveAll(events))
		require.NoError(t, os.MkdirAll(events, 0o755))
		for path, text := range files {
			require.NoError(t, os.WriteFile(filepath.Join(root, path), text, 0o644))
		}
	}
	found := []string{"api/asyncapi.yaml"}
	entries, err := os.ReadDir(events)
	require.NoError(t, err)
	for _, e := range entries {
		found = append(found, "api/events/"+e.Name())
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(files)), found, "a file for each type of events")
	for path, want := range files {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(text),
			"%s: if the change is intended: go test ./internal/contract/asyncapi -update", path)
	}
}
