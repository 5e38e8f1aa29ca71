package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/roster"
)

// natsServer prepares a NATS server with JetStream. It is ready when it has the streams of all topics. Debian's is too
// old to sync each message.
func natsServer(ctx context.Context, s Settings) (Server, error) {
	bin, err := toolchain.EnsureNATS(ctx, s.Root, s.Log)
	if err != nil {
		return Server{}, err
	}
	// In a file and not as arguments, which every user of the machine can read.
	config := filepath.Join(s.Dir, "nats.conf")
	text := natsConfig(s.address(portNATS), s.NATSPassword, filepath.Join(s.Dir, "nats"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return Server{}, err
	}
	url := fmt.Sprintf("nats://haberdash:%s@%s", s.NATSPassword, s.address(portNATS))
	return Server{
		Args:    []string{bin, "--config", config},
		Ports:   map[string]int{"nats": s.port(portNATS)},
		Healthy: func(ctx context.Context) bool { return CreateStreams(ctx, url, roster.Topics()...) == nil },
		Vars:    map[string]string{"NATS_URL": url},
	}, nil
}

func natsConfig(address, password, data string) string {
	return strings.Join([]string{
		fmt.Sprintf("listen: %q", address),
		"authorization {",
		"  user: haberdash",
		fmt.Sprintf("  password: %q", password),
		"}",
		"max_payload: 8388608", // as the other brokers
		"jetstream {",
		fmt.Sprintf("  store_dir: %q", data),
		// In a cluster, replicas protect from a power failure; one node has only its disk. With the default it would sync
		// every two minutes.
		"  sync_interval: always",
		"}",
		"",
	}, "\n")
}

// retention is how long streams keep messages. A consumer that is further behind reads the feeds.
const retention = 7 * 24 * time.Hour

// CreateStreams creates a stream for each topic that has none: see components/pubsub/nats.
func CreateStreams(ctx context.Context, url string, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	connection, err := nats.Connect(url, nats.Timeout(2*time.Second), nats.NoReconnect())
	if err != nil {
		return err
	}
	defer connection.Close()
	streams, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		_, err := streams.CreateStream(ctx, jetstream.StreamConfig{
			Name: topic, Subjects: []string{topic}, Storage: jetstream.FileStorage, MaxAge: retention,
		})
		// One with other settings exists.
		if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("stream %s: %w", topic, err)
		}
	}
	return nil
}
