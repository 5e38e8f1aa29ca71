package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFilesAreThoseOfTheDefinitions(t *testing.T) {
	t.Parallel()
	files, err := render()
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for name, want := range files {
		have, err := os.ReadFile(name)
		require.NoError(t, err, "run `go run .` in deploy/observability")
		require.Equal(t, string(want), string(have), "%s: run `go run .` in deploy/observability", name)
	}
	// A file of a dashboard or group that has been removed would still be read.
	for _, pattern := range []string{"prometheus/rules/*", "prometheus/tests/*", "grafana/dashboards/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range found {
			require.Contains(t, files, name, "%s: nothing defines it any more", name)
		}
	}
}
