package launch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"haberdash/internal/contract"
)

// kafka is one node that is broker and controller. It is ready once every topic of the contract has a leader.
func (i *Infra) kafka(ctx context.Context) (service, map[string]string, error) {
	java, err := installed("java", "default-jre-headless")
	if err != nil {
		return service{}, nil, err
	}
	jars, err := i.kafkaJars(ctx)
	if err != nil {
		return service{}, nil, err
	}
	dir := filepath.Join(i.opts.Dir, "kafka")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return service{}, nil, err
	}
	port, controller := i.block.base+portKafka, i.block.base+portKafkaController
	config, data := filepath.Join(dir, "server.properties"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte(kafkaConfig(i.at(portKafka), i.at(portKafkaController), data)), 0o600); err != nil {
		return service{}, nil, err
	}
	command := []string{
		java, "-Xmx384m", "-Xms128m",
		// A small heap on a machine that does other work: one collecting thread, and no second compiler that
		// would pay off after minutes.
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
		"-cp", filepath.Join(jars, "*"),
	}
	if _, err := os.Stat(filepath.Join(data, "meta.properties")); err != nil {
		format := append(command[:len(command):len(command)], "kafka.tools.StorageTool", "format", "-t", clusterID(), "-c", config)
		if err := runOnce(ctx, "", format...); err != nil {
			return service{}, nil, fmt.Errorf("format kafka's storage: %w", err)
		}
	}
	address := i.at(portKafka)
	return service{
		name: "kafka", args: append(command, "kafka.Kafka", config),
		ports:   map[string]int{"kafka": port, "controller": controller},
		healthy: func(ctx context.Context) bool { return makeTopics(ctx, address) == nil },
	}, map[string]string{"KAFKA_BROKERS": address}, nil
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
		// What must be three by default cannot be on one node.
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"offsets.topic.num.partitions=1",     // of 50: each is files and time at every start
		"group.initial.rebalance.delay.ms=0", // nobody waits for more members
		// A cluster has its replicas for the case that the power fails; one node has only its disk.
		"log.flush.interval.messages=1",
		"message.max.bytes=8388608", // as the embedded broker's
		"",
	}, "\n")
}

// clusterID is a random UUID as Kafka writes it; it may not begin with a hyphen, which would be a flag.
func clusterID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	b[0] &= 0x7f
	return base64.RawURLEncoding.EncodeToString(b)
}

// makeTopics creates the topics that are missing, and fails until all have a leader.
func makeTopics(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// The client would go on trying to reach a server that is not there.
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
	made, err := admin.CreateTopics(ctx, -1, -1, nil, contract.Topics()...)
	if err != nil {
		return err
	}
	for _, t := range made {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
		}
	}
	topics, err := admin.ListTopics(ctx, contract.Topics()...)
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

// kafkaJars is the directory of the server's jars in the user's cache; Maven fetches them once.
func (i *Infra) kafkaJars(ctx context.Context) (string, error) {
	pom := filepath.Join(i.opts.Root, "deploy", "infra", "pom.xml")
	text, err := os.ReadFile(pom)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	dir := filepath.Join(cache, "kafka", hex.EncodeToString(sum[:])[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	mvn, err := installed("mvn", "maven")
	if err != nil {
		return "", err
	}
	if err := makeDir(filepath.Dir(dir)); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for Kafka's jars: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // somebody else was first
	}
	fmt.Fprintf(i.opts.Log, "kafka: fetching its jars into %s (once; 43 MB)\n", dir)
	if err := os.RemoveAll(dir + ".new"); err != nil {
		return "", err
	}
	err = runOnce(ctx, "", mvn, "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+dir+".new", "-DincludeScope=runtime")
	if err != nil {
		return "", fmt.Errorf("fetch Kafka's jars: %w", err)
	}
	return dir, os.Rename(dir+".new", dir)
}
