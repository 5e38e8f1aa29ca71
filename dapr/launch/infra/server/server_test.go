package server

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMissingProgramsAreNamedWithTheirPackage(t *testing.T) {
	wasPostgres, wasRabbitMQ := debianPostgres, debianRabbitMQ
	t.Cleanup(func() { debianPostgres, debianRabbitMQ = wasPostgres, wasRabbitMQ })
	debianPostgres, debianRabbitMQ = t.TempDir(), filepath.Join(t.TempDir(), "none")
	t.Setenv("PATH", "/nonexistent")
	for name, message := range map[string]string{
		"redis":    "redis-server is missing: install it (on Debian: apt-get install redis-server)",
		"postgres": "initdb is missing: install it (on Debian: apt-get install postgresql)",
		"rabbitmq": "rabbitmq-server is missing: install it (on Debian: apt-get install rabbitmq-server)",
		"kafka":    "java is missing: install it (on Debian: apt-get install default-jre-headless)",
	} {
		_, err := Prepare(t.Context(), name, Settings{Dir: t.TempDir()})
		require.ErrorContains(t, err, message)
	}
}
