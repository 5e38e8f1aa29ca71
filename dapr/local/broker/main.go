// Command broker is the embedded Kafka-compatible broker of the local default: kfake from franz-go
// with a data directory, each batch synced to disk before it is acknowledged.
//
//	broker -port 9092 -data .run/broker -topics orders,stock
//
// It asks nobody who they are. So it listens on the loopback interface only, unless -host says by which name clients on
// other machines find it, such as that of a Kubernetes service.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	port := flag.Int("port", 9092, "port to listen on")
	host := flag.String("host", "", "listen on all interfaces, and tell clients to come to this name")
	data := flag.String("data", "", "directory that keeps topics, records and group offsets")
	topics := flag.String("topics", "", "comma-separated topics to create")
	partitions := flag.Int("partitions", 1, "partitions of each topic")
	flag.Parse()
	if err := run(*host, *port, *data, *topics, *partitions); err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		os.Exit(1)
	}
}

func run(host string, port int, data, topics string, partitions int) error {
	if data == "" || topics == "" {
		return fmt.Errorf("-data and -topics are required")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.Ports(port),
		kfake.ListenFn(listenFor(host)),
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
	fmt.Printf("broker: listening on %s\n", cluster.ListenAddrs()[0])
	<-ctx.Done()
	return nil
}

// listenFor opens the port on all interfaces for clients who know host; without one, where it is told to.
func listenFor(host string) func(network, address string) (net.Listener, error) {
	if host == "" {
		return net.Listen
	}
	return func(network, address string) (net.Listener, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen(network, net.JoinHostPort("", port))
		return named{l, net.JoinHostPort(host, port)}, err
	}
}

// A named listener's address is what clients are told, not where it listens.
type named struct {
	net.Listener
	address string
}

func (n named) Addr() net.Addr  { return n }
func (n named) Network() string { return n.Listener.Addr().Network() }
func (n named) String() string  { return n.address }
