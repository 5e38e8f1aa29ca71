// Command daprd is the official Dapr sidecar plus SQLite name resolution and the SMTP binding, which the stable
// component set lacks.
//
// The stable component set resolves names by mDNS, which fails on many VPNs and company machines
// (dapr/dapr#3256); SQLite name resolution needs nothing but a file.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/dapr/components-contrib/bindings/smtp"
	nr "github.com/dapr/components-contrib/nameresolution"
	"github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/bindings"
	"github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/kit/logger"
)

// cached has the sidecar remember an address for twenty seconds, or until it does not answer, as it does with every
// resolver that may find several. Without it each invocation is a query: a third of the caller's processor time.
type cached struct{ nr.Resolver }

func (c cached) ResolveIDMulti(ctx context.Context, req nr.ResolveRequest) (nr.AddressList, error) {
	address, err := c.ResolveID(ctx, req)
	if err != nil || address == "" {
		return nil, err
	}
	return nr.AddressList{address}, nil
}

func main() {
	nameresolution.DefaultRegistry.RegisterComponent(func(log logger.Logger) nr.Resolver {
		return cached{sqlite.NewResolver(log)}
	}, "sqlite")
	bindings.DefaultRegistry.RegisterOutputBinding(smtp.NewSMTP, "smtp")
	// This sidecar is for one machine. By default both would listen on all addresses, and other sidecars
	// would be told the machine's network address, which changes under a laptop. A flag given wins: it
	// comes later. In a pod (`--mode kubernetes`) the others are elsewhere.
	if i := slices.Index(os.Args, "--mode"); i < 0 || i+1 == len(os.Args) || os.Args[i+1] != "kubernetes" {
		os.Args = append([]string{
			os.Args[0], "--dapr-internal-grpc-listen-address=127.0.0.1", "--metrics-listen-address=127.0.0.1",
		}, os.Args[1:]...)
	}
	if err := secure(); err != nil {
		fmt.Fprintln(os.Stderr, "daprd:", err)
		os.Exit(1)
	}
	app.Run()
}

// secure turns mutual TLS on where SENTRY_ADDRESS (host:port) says who signs certificates, and TRUST_ANCHORS_FILE whom
// to believe. The dapr CLI passes on neither: of a Configuration with mtls it makes a sentry on port 50001, and it
// wants the certificates themselves in a variable.
func secure() error {
	address := os.Getenv("SENTRY_ADDRESS")
	if address == "" {
		return nil
	}
	anchors, err := os.ReadFile(os.Getenv("TRUST_ANCHORS_FILE"))
	if err != nil {
		return fmt.Errorf("TRUST_ANCHORS_FILE: %w", err)
	}
	os.Args = append(os.Args, "--enable-mtls", "--sentry-address="+address)
	return os.Setenv("DAPR_TRUST_ANCHORS", string(anchors))
}
