package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissingProgramsAreNamedWithTheirPackage(t *testing.T) {
	was := debianPostgres
	t.Cleanup(func() { debianPostgres = was })
	debianPostgres = t.TempDir()
	t.Setenv("PATH", "/nonexistent")
	for name, message := range map[string]string{
		"redis":    "redis-server is missing: install it (on Debian: apt-get install redis-server)",
		"postgres": "initdb is missing: install it (on Debian: apt-get install postgresql)",
		"kafka":    "java is missing: install it (on Debian: apt-get install default-jre-headless)",
	} {
		_, err := Prepare(t.Context(), name, Settings{Dir: t.TempDir()})
		require.ErrorContains(t, err, message)
	}
}
