// Command psp runs the payment provider for tests as a separate process, on the loopback interface.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "psp:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints its address when it is listening.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var o psp.Options
	flags := flag.NewFlagSet("psp", flag.ContinueOnError)
	port := flags.Int("port", 0, "port to listen on; 0 for a free port")
	flags.StringVar(&o.Dir, "data", "", "directory of the journal; if empty, no data survives the process")
	flags.StringVar(&o.SecretKey, "secret-key", "sk_test_haberdash", "key with which clients authenticate")
	flags.StringVar(&o.WebhookURL, "webhook-url", "", "address to which events are sent; empty for none")
	flags.StringVar(&o.WebhookSecret, "webhook-secret", "whsec_haberdash", "secret with which events are signed")
	flags.BoolVar(&o.SingleCapture, "single-capture", false, "turn multicapture off, as it is for most accounts")
	flags.Float64Var(&o.Faults.Rate, "faults", 0, "share of calls that fail or are delayed, from 0 to 1")
	flags.Uint64Var(&o.Faults.Seed, "seed", 1, "seed of the random faults")
	if err := flags.Parse(args); err != nil {
		return err
	}
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
	fmt.Fprintf(out, "psp listening on http://%s\n", l.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		// Close instead of Shutdown, which would wait for answers that are delayed on purpose.
		return server.Close()
	}
}
