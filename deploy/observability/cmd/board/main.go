// Command board serves the dashboards of the shop as a web page, from what a Prometheus has collected:
//
//	go run ./cmd/board -prometheus http://127.0.0.1:9090 -listen 127.0.0.1:8090
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

	"haberdash/deploy/observability/page"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	prometheus := flag.String("prometheus", "http://127.0.0.1:9090", "the URL of Prometheus")
	listen := flag.String("listen", "127.0.0.1:8090", "the address (host:port) of the page")
	flag.Parse()
	if err := run(ctx, *prometheus, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "board:", err)
		stop()
		os.Exit(1)
	}
}

// run serves the page until ctx ends.
func run(ctx context.Context, prometheus, listen string) error {
	handler, err := page.New(prometheus)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 15 * time.Second}
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(end)
	}()
	fmt.Printf("dashboards: http://%s\n", l.Addr())
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
