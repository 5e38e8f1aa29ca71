package daprd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

var _ sidecar.Invoker = (*Client)(nil)

// Invoke implements sidecar.Invoker over the sidecar's HTTP API: a plain request to its port with the
// app's id in a header, streamed both ways.
func (c *Client) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	ctx, cancel := c.boundInvoke(ctx, r.Unbounded)
	// daprd decodes the path once on its way, and would deliver "50%25" as a broken address and "%2e%2e" as
	// a way out of it. Encoded once more, it arrives as it was.
	target := c.base + strings.ReplaceAll(r.Path, "%", "%25")
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, r.Body)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("invoke %s: %w", r.App, err)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("dapr-app-id", r.App)
	if c.opts.APIToken != "" {
		req.Header.Set("dapr-api-token", c.opts.APIToken)
	}
	if t, ok := telemetry.TraceOf(ctx); ok {
		req.Header.Set("traceparent", t.Parent())
		req.Header.Set("X-Request-Id", t.RequestID)
	}
	if token := identity.TokenOf(ctx); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("%w: invoke %s%s: %w", sidecar.ErrUnavailable, r.App, r.Path, err)
	}
	if res.StatusCode >= 500 {
		if body, sidecars := sidecarsOwn(res); sidecars {
			cancel()
			return nil, fmt.Errorf("%w: invoke %s%s: %s", sidecar.ErrUnavailable, r.App, r.Path, body)
		}
	}
	return &sidecar.Response{Status: res.StatusCode, Header: res.Header, Body: &closing{res.Body, cancel}}, nil
}

func (c *Client) boundInvoke(ctx context.Context, unbounded bool) (context.Context, context.CancelFunc) {
	if unbounded {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.opts.InvokeTimeout)
}

// sidecarsOwn tells the sidecar's errors (no such app, connection refused, no app health, resiliency
// gave up) from the app's: they are small JSON objects with an errorCode.
func sidecarsOwn(res *http.Response) (string, bool) {
	head, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err == nil && bytes.Contains(head, []byte(`"errorCode"`)) {
		res.Body.Close()
		return string(head), true
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), res.Body), res.Body}
	return "", false
}

// closing ends the call's context with its body.
type closing struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *closing) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
