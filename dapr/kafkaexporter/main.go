// Command kafkaexporter serves metrics of a Kafka cluster for Prometheus: the offsets and replicas of each partition,
// and the lag of each consumer group. The names are those of github.com/danielqsj/kafka_exporter, so dashboards and
// alerts do not notice which of the two runs.
//
//	KAFKA_BROKERS=127.0.0.1:9092 kafkaexporter -listen 127.0.0.1:9308
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9308", "address to listen on")
	flag.Parse()
	if err := run(*listen, os.Getenv("KAFKA_BROKERS")); err != nil {
		fmt.Fprintln(os.Stderr, "kafkaexporter:", err)
		os.Exit(1)
	}
}

func run(listen, brokers string) error {
	if brokers == "" {
		return errors.New("KAFKA_BROKERS is required")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return err
	}
	defer client.Close()
	s := &http.Server{Addr: listen, Handler: handler(kadm.NewClient(client)), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// handler serves the metrics at /metrics. At / it answers as long as this program runs.
func handler(admin *kadm.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "see /metrics") })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		registry := prometheus.NewRegistry()
		registry.MustRegister(&cluster{ctx: r.Context(), admin: admin})
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
	return mux
}
