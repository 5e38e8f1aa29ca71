// Command broker is the embedded Kafka-compatible broker of the local default: kfake from franz-go
// with a data directory, each batch synced to disk before it is acknowledged.
//
//	broker -port 9092 -data .run/broker -topics orders,stock
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	port := flag.Int("port", 9092, "loopback port to listen on")
	data := flag.String("data", "", "directory that keeps topics, records and group offsets")
	topics := flag.String("topics", "", "comma-separated topics to create")
	partitions := flag.Int("partitions", 1, "partitions of each topic")
	flag.Parse()
	if err := run(*port, *data, *topics, *partitions); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

func run(port int, data, topics string, partitions int) error {
	if data == "" || topics == "" {
		return fmt.Errorf("-data and -topics are required")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ClusterID("haberdash"),
		kfake.DataDir(data),
		kfake.SyncWrites(),
		// Topics made by auto-creation are only recorded at a clean stop: after kill -9 their data
		// would be ignored. So every topic is created here, and none by a client.
		kfake.SeedTopics(int32(partitions), strings.Split(topics, ",")...),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "8388608"}),
	)
	if err != nil {
		return fmt.Errorf("start on port %d with data in %s: %w", port, data, err)
	}
	defer cluster.Close()
	fmt.Printf("broker: listening on 127.0.0.1:%d\n", port)
	<-ctx.Done()
	return nil
}
