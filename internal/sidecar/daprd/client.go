// Package daprd implements the ports of internal/sidecar with a Dapr sidecar: its gRPC API through the
// Go SDK for state, publishing, bindings and secrets, its HTTP API for invocation (which streams) and
// for deliveries.
package daprd

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"haberdash/internal/telemetry"
)

// Names of the components, the same in every choice of infrastructure.
const (
	StateStore  = "state"
	PubSub      = "pubsub"
	SecretStore = "secrets"
)

// Client talks to one sidecar.
type Client struct {
	conn *grpc.ClientConn
	dapr dapr.Client
	http *http.Client
	base string // of the HTTP API
	opts Options

	mu     sync.Mutex
	states map[string]*State
}

// Options of a Client.
type Options struct {
	HTTPPort, GRPCPort int           // of the sidecar, on the loopback interface
	APIToken           string        // the sidecar's own API token, if it asks for one
	Timeout            time.Duration // of one call; 5 s if zero. Invocations are bounded by their ctx alone if it is sooner, else by InvokeTimeout
	StateTimeout       time.Duration // of one call of a state store; 2 s if zero: a client is told within three that a store hangs
	InvokeTimeout      time.Duration // 30 s if zero
	SecretBundle       string        // the one secret whose keys are all others, where the store is of that kind; empty: each is one of its own
}

// New makes a client. It does not wait for the sidecar: see Wait.
func New(o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	if o.StateTimeout == 0 {
		o.StateTimeout = 2 * time.Second
	}
	if o.InvokeTimeout == 0 {
		o.InvokeTimeout = 30 * time.Second
	}
	const maxMessage = 16 << 20
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", o.GRPCPort),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		// gRPC's own patience grows to two minutes: so long would a sidecar that came back not be noticed.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return next(o.outgoing(ctx), method, req, reply, cc, opts...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return next(o.outgoing(ctx), desc, cc, method, opts...)
		}))
	if err != nil {
		return nil, fmt.Errorf("sidecar client: %w", err)
	}
	transport := &http.Transport{
		MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	}
	return &Client{
		states: map[string]*State{},
		conn:   conn, dapr: dapr.NewClientWithConnection(conn), opts: o,
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		base: fmt.Sprintf("http://127.0.0.1:%d", o.HTTPPort),
	}, nil
}

// outgoing adds what goes along with every call.
func (o Options) outgoing(ctx context.Context) context.Context {
	if t, ok := telemetry.TraceOf(ctx); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", t.Parent())
	}
	if o.APIToken != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", o.APIToken)
	}
	return ctx
}

// Wait returns when the sidecar answers, or when ctx ends. It asks for its components only
// ("outbound"), not for this app's health, which would wait for itself.
func (c *Client) Wait(ctx context.Context) error {
	for {
		if err := c.Healthy(ctx); err == nil {
			return nil
		} else if ctx.Err() != nil {
			return fmt.Errorf("wait for the sidecar at %s: %w", c.base, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Healthy asks the sidecar once whether it can serve this app.
func (c *Client) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1.0/healthz/outbound", nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("the sidecar answers %d", res.StatusCode)
	}
	return nil
}

// Conn returns the gRPC connection to the sidecar. Its calls carry the trace of their context and the API token, but have
// no timeout of their own.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Close ends the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.conn.Close()
}

func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.opts.Timeout)
}
