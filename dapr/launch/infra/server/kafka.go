package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/roster"
)

// kafka prepares one node that is broker and controller. It is ready when every topic has a leader.
func kafka(ctx context.Context, s Settings) (Server, error) {
	java, err := toolchain.Installed("java", "default-jre-headless")
	if err != nil {
		return Server{}, err
	}
	jars, err := toolchain.EnsureKafka(ctx, s.Root, s.Log)
	if err != nil {
		return Server{}, err
	}
	dir := filepath.Join(s.Dir, "kafka")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Server{}, err
	}
	address, controller := s.address(portKafka), s.address(portKafkaController)
	config, data := filepath.Join(dir, "server.properties"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte(kafkaConfig(address, controller, data)), 0o600); err != nil {
		return Server{}, err
	}
	command := []string{
		java, "-Xmx384m", "-Xms128m",
		// The machine does other work too: a small heap, a garbage collector with one thread, and only the compiler
		// that pays off within seconds.
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
		"-cp", filepath.Join(jars, "*"),
	}
	if _, err := os.Stat(filepath.Join(data, "meta.properties")); err != nil {
		format := append(command[:len(command):len(command)],
			"kafka.tools.StorageTool", "format", "-t", clusterID(), "-c", config)
		if err := process.Run(ctx, "", format...); err != nil {
			return Server{}, fmt.Errorf("format Kafka's storage: %w", err)
		}
	}
	return Server{
		Args:    append(command, "kafka.Kafka", config),
		Ports:   map[string]int{"kafka": s.port(portKafka), "controller": s.port(portKafkaController)},
		Healthy: func(ctx context.Context) bool { return CreateTopics(ctx, address, roster.Topics()...) == nil },
		Vars:    map[string]string{"KAFKA_BROKERS": address},
	}, nil
}

func kafkaConfig(address, controller, data string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + address + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + address,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + strings.ReplaceAll(data, `\`, `\\`),
		"auto.create.topics.enable=false",
		// These are three by default, which one node cannot provide.
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"offsets.topic.num.partitions=1",     // default 50: each costs files, and time at every start
		"group.initial.rebalance.delay.ms=0", // do not wait for more members of a group
		// In a cluster, replicas protect from a power failure; one node has only its disk.
		"log.flush.interval.messages=1",
		"message.max.bytes=8388608", // as the embedded broker
		"",
	}, "\n")
}

// clusterID is a random UUID in Kafka's notation. It does not begin with a hyphen, which the command line would take
// for a flag.
func clusterID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	b[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(b)
}

// CreateTopics creates the topics that are missing, and fails until all have a leader.
func CreateTopics(ctx context.Context, address string, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// The Kafka client would try to reach a missing server until the timeout.
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	c.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	created, err := admin.CreateTopics(ctx, -1, -1, nil, names...)
	if err != nil {
		return err
	}
	for _, t := range created {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
		}
	}
	topics, err := admin.ListTopics(ctx, names...)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if t.Err != nil {
			return fmt.Errorf("topic %s: %w", t.Topic, t.Err)
		}
		for _, p := range t.Partitions {
			if p.Err != nil || p.Leader < 0 {
				return fmt.Errorf("topic %s has no leader: %w", t.Topic, p.Err)
			}
		}
	}
	return nil
}
