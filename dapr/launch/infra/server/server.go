// Package server prepares each of the servers of `make infra` on this machine: its configuration, its data at the first
// start, its command line, and the check that tells when it is ready. Package infra runs them.
package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"haberdash/dapr/launch/supervisor"
)

// Names lists the servers that there are.
var Names = []string{"redis", "postgres", "mysql", "kafka", "rabbitmq", "nats", "smtp"}

// Settings say where servers run. They stay the same from one start to the next.
type Settings struct {
	Root    string // the checkout
	Dir     string // of configurations and data
	Address string // that the servers listen on

	PortBase         int // first of the ports of all servers
	RedisPassword    string
	PostgresPassword string
	MySQLPassword    string
	RabbitMQPassword string
	NATSPassword     string

	Log io.Writer // progress, a line each
}

// Offsets of ports from PortBase.
const (
	portRedis = iota
	portPostgres
	portKafka
	portKafkaController
	portSMTP
	portMySQL
	portRabbitMQ
	portErlang
	portNATS
)

// Server is a server that is prepared to start.
type Server struct {
	Args    []string
	Env     map[string]string // beside what every process gets
	After   string            // the server that must be ready before this one starts; default: none
	Stop    syscall.Signal    // asks it to stop; default SIGTERM
	Ports   map[string]int
	Healthy supervisor.Check
	Vars    map[string]string // by which Dapr components find it

	// Setup is done when the server is healthy and before it counts as ready; nil for nothing.
	Setup func(context.Context) error
}

// Prepare prepares the server of a name. If a program of it is missing, the error names the Debian package to install.
func Prepare(ctx context.Context, name string, s Settings) (Server, error) {
	switch name {
	case "redis":
		return redis(s)
	case "postgres":
		return postgres(ctx, s)
	case "mysql":
		return mysql(ctx, s)
	case "kafka":
		return kafka(ctx, s)
	case "rabbitmq":
		return rabbitmq(s)
	case "nats":
		return natsServer(ctx, s)
	case "smtp":
		return smtp(ctx, s)
	}
	return Server{}, fmt.Errorf("there is no server %q", name)
}

func (s Settings) port(offset int) int { return s.PortBase + offset }

func (s Settings) address(offset int) string {
	return net.JoinHostPort(s.Address, strconv.Itoa(s.port(offset)))
}
