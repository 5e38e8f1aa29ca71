// Package daprd implements the ports of internal/sidecar with a Dapr sidecar. It uses the gRPC API of the sidecar,
// through Dapr's Go SDK, for state, publishing, bindings and secrets, and its HTTP API for invocation, which streams,
// and for deliveries.
package daprd

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	otelcodes "go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar/daprd/state"
	"haberdash/internal/telemetry"
)

// Names of the Dapr components. They are the same with all infrastructure.
const (
	StateStore  = "state"
	PubSub      = "pubsub"
	SecretStore = "secrets"
)

// The SDK's logger writes lines that are no JSON, and says nothing of use.
func init() { dapr.SetLogger(nil) }

// Client is the connection of an app to its sidecar. It is safe for concurrent use.
type Client struct {
	conn *grpc.ClientConn
	dapr dapr.Client
	http *http.Client
	base string // of the URLs of the HTTP API
	opts Options

	mu     sync.Mutex
	states map[string]*state.Store
}

// Options configure a Client.
type Options struct {
	HTTPPort, GRPCPort int    // ports of the sidecar on the loopback interface
	APIToken           string // Dapr's API token, if the sidecar requires one
	// Timeout limits a call of the sidecar, except for state and invocation; 5 s if zero.
	Timeout time.Duration
	// StateTimeout limits a call of a state store; 2 s if zero. When a store does not answer, a client's request fails
	// within three seconds.
	StateTimeout time.Duration
	// InvokeTimeout limits an invocation; 30 s if zero. See sidecar.Request.Unbounded.
	InvokeTimeout time.Duration
	// SecretBundle is the name of the one secret that contains all others as its keys, for a secret store with such
	// secrets. If it is empty, each secret has a name of its own.
	SecretBundle string
}

// maxMessage is the largest gRPC message in bytes, in both directions.
const maxMessage = 16 << 20

// New creates a client. It does not wait until the sidecar answers: see Wait.
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
	conn, err := o.dial()
	if err != nil {
		return nil, fmt.Errorf("sidecar client: %w", err)
	}
	transport := &http.Transport{
		MaxIdleConns: 256, MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
	}
	doNotRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		conn: conn, dapr: dapr.NewClientWithConnection(conn), opts: o, states: map[string]*state.Store{},
		http: &http.Client{Transport: transport, CheckRedirect: doNotRedirect},
		base: fmt.Sprintf("http://127.0.0.1:%d", o.HTTPPort),
	}, nil
}

func (o Options) dial() (*grpc.ClientConn, error) {
	unary := func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		ctx, span := telemetry.Start(ctx, strings.TrimPrefix(method, "/"), trace.SpanKindClient,
			semconv.RPCSystemNameGRPC, semconv.RPCMethod(strings.TrimPrefix(method, "/")))
		defer span.End()
		err := next(o.withMetadata(ctx), method, req, reply, cc, opts...)
		if err != nil && span.IsRecording() {
			span.SetAttributes(semconv.RPCResponseStatusCode(status.Code(err).String()))
			span.SetStatus(otelcodes.Error, status.Code(err).String()) // the message may have keys and values
		}
		return err
	}
	stream := func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return next(o.withMetadata(ctx), desc, cc, method, opts...)
	}
	return grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", o.GRPCPort),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		// With gRPC's default backoff of up to two minutes, the client would notice a restarted sidecar too late.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithUnaryInterceptor(unary), grpc.WithStreamInterceptor(stream))
}

// withMetadata adds the trace and the API token to the metadata of a call.
func (o Options) withMetadata(ctx context.Context) context.Context {
	if parent := telemetry.TraceParent(ctx); parent != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", parent)
	}
	if o.APIToken != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "dapr-api-token", o.APIToken)
	}
	return ctx
}

// State returns the state store with the name of its component. Calls with the same name return the same store.
func (c *Client) State(name string) *state.Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states[name] == nil {
		c.states[name] = state.New(c.dapr, name, c.opts.StateTimeout)
	}
	return c.states[name]
}

// Wait waits until the sidecar answers and its components work. It returns an error when ctx ends.
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

// Healthy returns an error unless the sidecar can serve this app. It asks the sidecar for the health of its components
// ("outbound") and not for the health of this app, which may itself be waiting for the sidecar.
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

// Conn returns the gRPC connection to the sidecar. Its calls contain the trace of their context and the API token, but
// have no timeout of their own.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// Close closes the connections to the sidecar.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return c.conn.Close()
}

func (c *Client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.opts.Timeout)
}
