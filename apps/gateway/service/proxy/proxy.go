// Package proxy forwards the requests of a route to its app through the sidecar, and the app's answer to the client.
//
// It bounds a request's body in size, time and JSON nesting, bounds the time of the whole exchange, removes the
// headers that belong to the gateway, the sidecars and the apps, and turns errors that are no problem documents into
// problems.
package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Target is the app that a route forwards to, and the bounds of the route's requests.
type Target struct {
	App      string
	Upstream *protection.Upstream // of App
	Refusals protection.Refusals  // counts the refused bodies
	MaxBody  int64                // in bytes; DefaultMaxBody if zero
	Timeout  time.Duration        // of the whole exchange, but not of a stream; DefaultTimeout if zero
	Kind     protection.Kind      // the answers to a Stream are server-sent events and do not end
}

// The bounds of requests whose route sets no others.
const (
	DefaultMaxBody = 1 << 20
	DefaultTimeout = 30 * time.Second
)

// writeTimeout is how long a client may take to receive one piece of an answer.
const writeTimeout = 30 * time.Second

// New returns a handler that forwards requests to a target. The standard library's proxy does what RFC 9110 (section
// 7.6) asks of one: it removes hop-by-hop headers, streams in both directions and flushes event streams.
//
// Problems: body-too-large (413), request-timeout (408), malformed-request (400), too-many-requests (429), unavailable
// (503), and those of the app.
func New(t Target) http.Handler {
	if t.MaxBody == 0 {
		t.MaxBody = DefaultMaxBody
	}
	if t.Timeout == 0 {
		t.Timeout = DefaultTimeout
	}
	return http.HandlerFunc(t.forward)
}

func (t Target) forward(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > t.MaxBody {
		t.refuse(w, r, bodyTooLarge(t.MaxBody))
		return
	}
	client, ctx, readDeadline := http.NewResponseController(w), r.Context(), time.Time{}
	if t.Kind != protection.Stream {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		// The context ends first, because its error is easier to explain to the client.
		readDeadline = time.Now().Add(t.Timeout + time.Second)
	}
	// The zero time removes the server's own deadline. An error means that the writer has no deadlines, as in tests.
	_ = client.SetReadDeadline(readDeadline)
	body := newBody(w, r, t, readDeadline)
	if err := body.problem(); err != nil {
		t.refuse(w, r, err)
		return
	}
	release, err := t.Upstream.Acquire(r, t.Kind)
	if err != nil {
		writeError(w, r, err)
		return
	}
	defer release()
	(&httputil.ReverseProxy{
		Rewrite: rewrite, Transport: &transport{t.App, t.Upstream, body}, ModifyResponse: clean,
		ErrorHandler: t.refuse, ErrorLog: noLog, BufferPool: &buffers,
	}).ServeHTTP(&timedWriter{w, client}, r.WithContext(ctx))
}

// buffers are for copying answers. Without the pool they would be most of the gateway's garbage.
var buffers bufferPool

type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte {
	if p, ok := b.pool.Get().(*[16 << 10]byte); ok {
		return p[:]
	}
	return new([16 << 10]byte)[:]
}

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(p []byte) { b.pool.Put((*[16 << 10]byte)(p)) }

// noLog drops the log lines of the library, because writeError and the services log more.
var noLog = log.New(io.Discard, "", 0)

// rewrite prepares a request for the app. The sidecar's client adds the trace, the request id and the verified token.
func rewrite(p *httputil.ProxyRequest) {
	for name := range p.Out.Header {
		if isPrivate(name) {
			delete(p.Out.Header, name)
		}
	}
	if address := middleware.GetClientIP(p.In.Context()); address != "" {
		p.Out.Header.Set("X-Forwarded-For", address)
	}
}

// refuse is writeError, and counts the bodies that the gateway refuses. A client that has left was not refused.
func (t Target) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refused *bodyError
	if errors.As(err, &refused) && !clientHasLeft(r, err) {
		t.Refusals[refused.reason].Inc()
	}
	writeError(w, r, err)
}

// clientHasLeft reports whether the client of a request that failed with err has left. A body that is too slow ends the
// context, too.
func clientHasLeft(r *http.Request, err error) bool {
	return errors.Is(r.Context().Err(), context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// writeError answers a request that was not forwarded, or whose answer cannot be used.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	var raw *rawError
	var problem *httpx.Problem
	switch {
	case clientHasLeft(r, err):
		w.WriteHeader(statusClientClosed) // for the metrics: the client does not read it
	case errors.As(err, &raw):
		telemetry.Log(r.Context()).Warn().Int(field.Status, raw.status).Str(field.Answer, raw.text).
			Msg("an app answered an error that is no problem document")
		raw.write(w)
	case errors.As(err, &problem):
		problem.Write(w)
	default:
		if fault.Of(err).Unwrap() != nil {
			telemetry.Log(r.Context()).Warn().Err(err).Msg("request not forwarded")
		}
		httpx.WriteProblem(w, err)
	}
}

// statusClientClosed is nginx's status for a client that left before the answer.
const statusClientClosed = 499

// timedWriter gives the client writeTimeout for each write, so that a client that reads too slowly cannot keep its
// connection.
type timedWriter struct {
	http.ResponseWriter
	client *http.ResponseController
}

// Write implements io.Writer.
func (w *timedWriter) Write(b []byte) (int, error) {
	_ = w.client.SetWriteDeadline(time.Now().Add(writeTimeout))
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
