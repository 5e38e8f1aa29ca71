// Package invoketest is the conformance suite of sidecar.Invoker.
package invoketest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// App is the id of the app that TestInvoker calls.
const App = "orders"

// TestInvoker checks sidecar.Invoker. open serves app under the id App and returns the invoker of another app.
func TestInvoker(t *testing.T, open func(t *testing.T, app http.Handler) sidecar.Invoker) {
	app := target{make(chan string)}
	inv := open(t, app)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, inv sidecar.Invoker)
	}{
		{"method, path, query, headers and body arrive", requestArrives},
		{"paths arrive unchanged", paths},
		{"status, headers and body return", responseReturns},
		{"problems return as faults", problems},
		{"large bodies pass both ways", largeBodies},
		{"responses stream", responsesStream},
		{"requests stream", func(t *testing.T, inv sidecar.Invoker) { requestsStream(t, inv, app.lines) }},
		{"trace, request id and access token arrive", contextArrives},
		{"an app that does not exist is unavailable", unknownApp},
		{"the context limits the call", bounded},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, inv) })
	}
}

// invoke returns the response and its whole body.
func invoke(t *testing.T, ctx context.Context, inv sidecar.Invoker, r sidecar.Request) (*sidecar.Response, string) {
	t.Helper()
	r.App = App
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	res, err := inv.Invoke(ctx, r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// receive invokes the app and returns what it has received.
func receive(t *testing.T, ctx context.Context, inv sidecar.Invoker, r sidecar.Request) (s seen) {
	t.Helper()
	res, body := invoke(t, ctx, inv, r)
	require.Equal(t, http.StatusOK, res.Status, body)
	require.NoError(t, json.Unmarshal([]byte(body), &s))
	return s
}

func requestArrives(t *testing.T, inv sidecar.Invoker) {
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		r := sidecar.Request{
			Method: method, Path: "/api/v1/things/a:b", Query: url.Values{"q": {"x y", "é&="}, "empty": {""}},
			Header: http.Header{
				"Idempotency-Key": {"k1"}, "Content-Type": {"application/x-test"}, "If-None-Match": {`"1"`, `W/"2"`},
			},
		}
		if method != "GET" && method != "OPTIONS" {
			r.Body = strings.NewReader("hello \x00 \xff")
		}
		before := r.Header.Clone()
		s := receive(t, t.Context(), inv, r)
		require.Equal(t, method, s.Method)
		require.Equal(t, "/api/v1/things/a:b", s.Path)
		require.Equal(t, url.Values{"q": {"x y", "é&="}, "empty": {""}}, s.Query)
		require.Equal(t, "k1", s.Header.Get("Idempotency-Key"))
		require.Equal(t, `"1",W/"2"`, strings.ReplaceAll(strings.Join(s.Header.Values("If-None-Match"), ","), ", ", ","))
		if r.Body != nil {
			require.Equal(t, "application/x-test", s.Header.Get("Content-Type"))
			require.Equal(t, "hello \x00 �", s.Body) // JSON replaced the last byte
		}
		require.Equal(t, before, r.Header, "the headers of the caller are unchanged")
	}
}

// paths contains no path with a slash at the end, because daprd drops the slash.
func paths(t *testing.T, inv sidecar.Invoker) {
	for _, path := range []string{
		"/", "/a", "/items/A-1_b.c~d", "/items/50%25", "/items/a%20b", "/items/%C3%A9", "/items/a+b", "/items/a=b",
		"/items/a@b", "/items/a%3Fb%23c", "/items/a%2Fb", "/items/%2e%2e/x", "/items/a%2Bb",
		"/items/a;b%3Bc", "/items/a,b'(c)!$&*:", "/items/%22%7C%5B",
	} {
		require.Equal(t, path, receive(t, t.Context(), inv, sidecar.Request{Path: path}).Path)
	}
}

func responseReturns(t *testing.T, inv sidecar.Invoker) {
	for _, status := range []int{
		200, 201, 202, 204, 301, 304, 400, 401, 403, 404, 405, 409, 412, 413, 422, 428, 429, 500, 503,
	} {
		query := url.Values{"status": {fmt.Sprint(status)}}
		res, body := invoke(t, t.Context(), inv, sidecar.Request{Path: "/answer", Query: query})
		require.Equal(t, status, res.Status)
		require.Equal(t, `"7"`, res.Header.Get("ETag"))
		require.Equal(t, "a,b", strings.ReplaceAll(strings.Join(res.Header.Values("X-List"), ","), ", ", ","))
		if status == 204 || status == 304 {
			require.Empty(t, body)
		} else {
			require.Equal(t, "body", body)
		}
	}
}

func problems(t *testing.T, inv sidecar.Invoker) {
	err := sidecar.Call(t.Context(), inv, App, http.MethodPost, "/problem", nil, map[string]int{"a": 1}, nil)
	f := fault.Of(err)
	require.Equal(t, "out-of-stock", f.Type)
	require.Equal(t, fault.Conflict, f.Kind)
	require.Equal(t, map[string]any{"lines": []any{1.0}}, f.Members)
	require.Equal(t, []fault.Field{{Location: "body.x", Message: "bad"}}, f.Fields)

	res, body := invoke(t, t.Context(), inv, sidecar.Request{Path: "/outage"})
	require.Equal(t, http.StatusServiceUnavailable, res.Status)
	require.Equal(t, "3", res.Header.Get("Retry-After"))
	require.Contains(t, body, "/unavailable")
	err = sidecar.Call(t.Context(), inv, App, http.MethodGet, "/outage", nil, nil, nil)
	require.Equal(t, fault.Unavailable, fault.Of(err).Kind)
}

func largeBodies(t *testing.T, inv sidecar.Invoker) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16) // 3 MB
	res, body := invoke(t, t.Context(), inv, sidecar.Request{
		Method: http.MethodPost, Path: "/mirror", Body: bytes.NewReader(large),
	})
	require.Equal(t, http.StatusOK, res.Status)
	require.True(t, bytes.Equal(large, []byte(body)))
}

func responsesStream(t *testing.T, inv sidecar.Invoker) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	res, err := inv.Invoke(ctx, sidecar.Request{App: App, Method: http.MethodGet, Path: "/stream", Unbounded: true})
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	const want = "data: 0\n\ndata: 1\n\ndata: 2\n\n"
	got := make([]byte, len(want))
	_, err = io.ReadFull(res.Body, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func requestsStream(t *testing.T, inv sidecar.Invoker, lines <-chan string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in, out := io.Pipe()
	go func() {
		defer out.Close() // otherwise the call waits for more, even after its context has ended
		for i := range 3 {
			fmt.Fprintln(out, i)
			select {
			case line := <-lines: // the app has it before the request ends
				assert.Equal(t, fmt.Sprint(i), line)
			case <-ctx.Done():
				assert.Fail(t, "the app waits for the end of the request")
				return
			}
		}
	}()
	res, err := inv.Invoke(ctx, sidecar.Request{
		App: App, Method: http.MethodPost, Path: "/lines", Body: in, Unbounded: true,
	})
	require.NoError(t, err)
	res.Body.Close()
}

func contextArrives(t *testing.T, inv sidecar.Invoker) {
	ctx, span := telemetry.Enter(t.Context(), "call", telemetry.Entry{RequestID: "request-1"})
	defer span.End()
	ctx = telemetry.WithBaggage(identity.With(ctx, identity.Caller{UserID: "u"}, "the-token"), "tenant=north")
	s := receive(t, ctx, inv, sidecar.Request{Path: "/x", Header: http.Header{
		"X-Request-Id": {"other"}, "Traceparent": {"other"}, "Authorization": {"other"},
		"Baggage": {"tenant=other"},
	}})
	require.Equal(t, []string{"request-1"}, s.Header["X-Request-Id"])
	require.Len(t, s.Header["Traceparent"], 1)
	require.Contains(t, s.Header.Get("traceparent"), telemetry.TraceID(ctx))
	require.Equal(t, []string{"tenant=north"}, s.Header["Baggage"])
	require.Equal(t, []string{"Bearer the-token"}, s.Header["Authorization"])
	require.Empty(t, receive(t, t.Context(), inv, sidecar.Request{Path: "/x"}).Header["Authorization"])
}

func unknownApp(t *testing.T, inv sidecar.Invoker) {
	_, err := inv.Invoke(t.Context(), sidecar.Request{App: "unknown", Method: http.MethodGet, Path: "/"})
	require.ErrorIs(t, err, sidecar.ErrUnavailable)
	err = sidecar.Call(t.Context(), inv, "unknown", http.MethodGet, "/", nil, nil, nil)
	require.Equal(t, fault.Unavailable, fault.Of(err).Kind)
	require.ErrorIs(t, err, sidecar.ErrUnavailable)
}

func bounded(t *testing.T, inv sidecar.Invoker) {
	for _, unbounded := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := inv.Invoke(ctx, sidecar.Request{App: App, Method: http.MethodGet, Path: "/hang", Unbounded: unbounded})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, sidecar.ErrUnavailable)
	}
}
