package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/roster"
)

// debianRabbitMQ is the program of Debian's package. Its rabbitmq-server on the PATH changes the user and the directory
// before it runs this one. A variable for tests.
var debianRabbitMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// rabbitNode is the name of the node, to which its data belongs.
const rabbitNode = "haberdash@localhost"

// rabbitmq prepares one node. It is ready when it has the queues of all apps.
func rabbitmq(s Settings) (Server, error) {
	bin := debianRabbitMQ
	if _, err := os.Stat(bin); err != nil {
		if bin, err = toolchain.Installed("rabbitmq-server", "rabbitmq-server"); err != nil {
			return Server{}, err
		}
	}
	dir := filepath.Join(s.Dir, "rabbitmq")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Server{}, err
	}
	// In a file and not as arguments, which every user of the machine can read.
	config := filepath.Join(dir, "rabbitmq.conf")
	text := rabbitmqConfig(s.address(portRabbitMQ), s.RabbitMQPassword)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return Server{}, err
	}
	url := fmt.Sprintf("amqp://haberdash:%s@%s", s.RabbitMQPassword, s.address(portRabbitMQ))
	return Server{
		Args:    []string{bin},
		Env:     rabbitmqEnvironment(dir, config, s.port(portErlang)),
		Ports:   map[string]int{"rabbitmq": s.port(portRabbitMQ)},
		Healthy: func(ctx context.Context) bool { return DeclareQueues(ctx, url, roster.Apps()) == nil },
		Vars:    map[string]string{"RABBITMQ_CONNECTION": url},
	}, nil
}

func rabbitmqConfig(address, password string) string {
	return strings.Join([]string{
		"listeners.tcp.1 = " + address,
		"default_user = haberdash",
		"default_pass = " + password,
		"max_message_size = 8388608", // as the other brokers
		"log.file = false",
		"log.console = true",
		"log.console.level = warning",
		"",
	}, "\n")
}

// rabbitmqEnvironment has what Debian would otherwise read from /etc/rabbitmq, and the directories of the data.
func rabbitmqEnvironment(dir, config string, erlangPort int) map[string]string {
	data := filepath.Join(dir, "data")
	// No cluster: the node accepts no other nodes, so it needs no epmd, a daemon that the nodes of a machine share
	// and that outlives them. The server wants to know a port for other nodes, and does not open it.
	alone := fmt.Sprintf("-start_epmd false -dist_listen false -erl_epmd_port %d", erlangPort)
	return map[string]string{
		"HOME":                          dir, // of the Erlang cookie
		"RABBITMQ_NODENAME":             rabbitNode,
		"RABBITMQ_CONF_ENV_FILE":        filepath.Join(dir, "none"),
		"RABBITMQ_CONFIG_FILE":          config,
		"RABBITMQ_ADVANCED_CONFIG_FILE": filepath.Join(dir, "none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE": filepath.Join(dir, "none"),
		"RABBITMQ_MNESIA_BASE":          data,
		"RABBITMQ_MNESIA_DIR":           filepath.Join(data, "node"),
		"RABBITMQ_FEATURE_FLAGS_FILE":   filepath.Join(data, "feature_flags"),
		"RABBITMQ_PLUGINS_EXPAND_DIR":   filepath.Join(dir, "plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR": filepath.Join(dir, "config"),
		"RABBITMQ_LOG_BASE":             filepath.Join(dir, "log"),
		// The script replaces itself by the server, which gets the signals.
		"RUNNING_UNDER_SYSTEMD": "true",
		// Also for a helper, with which the server would start an epmd every minute.
		"ERL_FLAGS": alone,

		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-sname " + rabbitNode,
	}
}

// DeclareQueues creates the exchanges and queues of apps that are missing, as their sidecars do when they start: see
// components/pubsub/rabbitmq.
func DeclareQueues(ctx context.Context, url string, apps []roster.App) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	connection, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { c.Close() }) // the calls below have no context
		}
		return c, err
	}})
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	channel, err := connection.Channel()
	if err != nil {
		return err
	}
	const durable = true
	for _, topic := range roster.TopicsOf(apps) {
		if err := channel.ExchangeDeclare(topic, amqp.ExchangeFanout, durable, false, false, false, nil); err != nil {
			return fmt.Errorf("exchange %s: %w", topic, err)
		}
	}
	arguments := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeClassic}
	for _, app := range apps {
		for _, topic := range app.Receives() {
			queue := app.ID + "-" + topic
			if _, err := channel.QueueDeclare(queue, durable, false, false, false, arguments); err != nil {
				return fmt.Errorf("queue %s: %w", queue, err)
			}
			if err := channel.QueueBind(queue, "", topic, false, nil); err != nil {
				return fmt.Errorf("queue %s: %w", queue, err)
			}
		}
	}
	return nil
}
