// Command psp runs the payment provider for tests as a process of its own, on the loopback interface.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"haberdash/tests/psp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "psp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o psp.Options
	port := flag.Int("port", 0, "port to listen on; 0 takes a free one")
	flag.StringVar(&o.Dir, "data", "", "directory of the journal; without one nothing survives")
	flag.StringVar(&o.SecretKey, "secret-key", "sk_test_haberdash", "what clients authenticate with")
	flag.StringVar(&o.WebhookURL, "webhook-url", "", "where events go; empty for nowhere")
	flag.StringVar(&o.WebhookSecret, "webhook-secret", "whsec_haberdash", "what events are signed with")
	flag.Float64Var(&o.Faults.Rate, "faults", 0, "share of calls that something happens to, 0 to 1")
	flag.Uint64Var(&o.Faults.Seed, "seed", 1, "decides what happens")
	flag.Parse()

	provider, err := psp.New(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.Close()) }()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: provider, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	fmt.Printf("psp listening on http://%s\n", l.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		// Silent answers would outlast any patience: cut them.
		return server.Close()
	}
}
