package daprd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

var _ sidecar.Invoker = (*Client)(nil)

// Invoke implements sidecar.Invoker with the HTTP API of the sidecar: the request goes to the port of the sidecar with
// the id of the app in a header. Bodies are streamed in both directions.
func (c *Client) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	ctx, span := telemetry.Start(ctx, r.Method+" "+r.App, trace.SpanKindClient,
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.ServicePeerName(r.App))
	defer span.End()
	res, err := c.invoke(ctx, r)
	if span.IsRecording() {
		describeAnswer(span, res, err)
	}
	return res, err
}

// describeAnswer adds the answer to the span of a call. The span has no path and no query, because ids in them may be
// secrets.
func describeAnswer(span trace.Span, res *sidecar.Response, err error) {
	if err != nil {
		span.SetStatus(codes.Error, "unavailable")
		return
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(res.Status))
	if res.Status >= 400 { // OpenTelemetry counts 4xx as an error in the span of the client, and not in the server's
		span.SetStatus(codes.Error, "")
	}
}

func (c *Client) invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	ctx, cancel := c.withInvokeTimeout(ctx, r.Unbounded)
	req, err := c.newRequest(ctx, r)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("invoke %s: %w", r.App, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: invoke %s: %w", sidecar.ErrUnavailable, r.App, withoutAddress(err))
	}
	if res.StatusCode >= 500 {
		if reason, ok := errorOfSidecar(res); ok {
			cancel()
			return nil, fmt.Errorf("%w: invoke %s: %s", sidecar.ErrUnavailable, r.App, reason)
		}
	}
	return &sidecar.Response{
		Status: res.StatusCode, Header: res.Header, Body: &cancelingBody{res.Body, cancel},
	}, nil
}

func (c *Client) withInvokeTimeout(ctx context.Context, unbounded bool) (context.Context, context.CancelFunc) {
	if unbounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.opts.InvokeTimeout)
}

func (c *Client) newRequest(ctx context.Context, r sidecar.Request) (*http.Request, error) {
	// The sidecar decodes the path once before it forwards the request. Without a second encoding, "50%25" would become
	// an invalid path and "%2e%2e" would become "..".
	target := c.base + strings.ReplaceAll(r.Path, "%", "%25")
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, r.Body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("dapr-app-id", r.App)
	if c.opts.APIToken != "" {
		req.Header.Set("dapr-api-token", c.opts.APIToken)
	}
	if parent := telemetry.TraceParent(ctx); parent != "" {
		req.Header.Set("traceparent", parent)
		req.Header.Set("X-Request-Id", telemetry.RequestID(ctx))
	}
	if baggage := telemetry.Baggage(ctx); baggage != "" {
		req.Header.Set("baggage", baggage)
	}
	if token := identity.TokenOf(ctx); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// errorOfSidecar tells errors of the sidecar (the app does not exist, refuses connections, or is unhealthy; a circuit
// breaker is open) from errors of the app. Those of the sidecar are small JSON objects with the member errorCode. It
// closes the body of such a response, and leaves other responses complete.
func errorOfSidecar(res *http.Response) (reason string, ok bool) {
	head, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err == nil && bytes.Contains(head, []byte(`"errorCode"`)) {
		res.Body.Close()
		return reasonOfSidecar(head), true
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), res.Body), res.Body}
	return "", false
}

// cancelingBody cancels the context of the call when the body is closed.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *cancelingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
