package infra

import (
	"fmt"
	"path/filepath"
	"strconv"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/secrets"
)

// VarsFile is the file with the addresses and passwords of running servers, in a form that a shell can read.
func VarsFile(dir string) string { return filepath.Join(dir, "vars.env") }

// readSettings reads the ports and passwords of the first start, or chooses them.
func (s *Servers) readSettings() error {
	path := s.settingsPath()
	vars, err := secrets.ReadFile(path)
	if err != nil {
		return err
	}
	if before := vars["PORT_BASE"]; before != "" {
		base, err := strconv.Atoi(before)
		if err != nil {
			return fmt.Errorf("%s: PORT_BASE: %w", path, err)
		}
		if s.block, err = ports.ReserveAt(base); err != nil {
			return fmt.Errorf("%w: remove the line PORT_BASE from %s to get other ports", err, path)
		}
	} else {
		if s.block, err = ports.Reserve(); err != nil {
			return err
		}
		vars["PORT_BASE"] = strconv.Itoa(s.block.Base)
	}
	for _, name := range s.opts.passwords {
		if vars[name] == "" {
			vars[name] = secrets.New()
		}
	}
	s.settings = server.Settings{
		Root: s.opts.Root, Dir: s.opts.Dir, Address: s.opts.Address, Log: s.opts.Log, PortBase: s.block.Base,
		RedisPassword: vars["REDIS_PASSWORD"], PostgresPassword: vars["POSTGRES_PASSWORD"],
		MySQLPassword: vars["MYSQL_PASSWORD"], RabbitMQPassword: vars["RABBITMQ_PASSWORD"],
		NATSPassword: vars["NATS_PASSWORD"],
	}
	return secrets.WriteFile(path, vars)
}

func (s *Servers) settingsPath() string { return filepath.Join(s.opts.Dir, "settings.env") }
