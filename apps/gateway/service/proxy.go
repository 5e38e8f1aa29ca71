package service

import (
	"bytes"
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

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// patience is how long a client may take over one piece of an answer.
const patience = 30 * time.Second

// proxy forwards requests of a route. The standard library's proxy does what RFC 9110 (section 7.6) asks
// of one: hop-by-hop headers, streaming both ways, flushing of event streams.
func (g *Gateway) proxy(rt route) http.Handler {
	if rt.body == 0 {
		rt.body = maxBody
	}
	if rt.timeout == 0 {
		rt.timeout = maxTimeout
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > rt.body {
			httpx.WriteProblem(w, bodyTooLarge(rt.body))
			return
		}
		client, ctx, readBy := http.NewResponseController(w), r.Context(), time.Time{}
		if !rt.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, rt.timeout)
			defer cancel()
			readBy = time.Now().Add(rt.timeout + time.Second) // after the context, whose end is explained better
		}
		// Errors mean that the writer has no deadlines, as in tests. The zero time lifts the server's own.
		_ = client.SetReadDeadline(readBy)
		body := limitBody(w, r, rt, readBy)
		if err := body.fault(rt.body); err != nil {
			refuse(w, r, err)
			return
		}
		leave, err := g.breakers[rt.app].enter(rt.stream)
		if err != nil {
			refuse(w, r, err)
			return
		}
		defer leave()
		hop := &hop{app: rt.app, breaker: g.breakers[rt.app], invoker: g.deps.Invoker, body: body, limit: rt.body}
		(&httputil.ReverseProxy{
			Rewrite: rewrite, Transport: hop, ModifyResponse: clean, ErrorHandler: refuse, ErrorLog: quiet, BufferPool: &copying,
		}).ServeHTTP(&patient{w, client}, r.WithContext(ctx))
	})
}

// copying keeps buffers for the bodies of answers: one for each request would be most of the gateway's garbage.
var copying buffers

type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[16 << 10]byte); ok {
		return p[:]
	}
	return new([16 << 10]byte)[:]
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[16 << 10]byte)(p)) }

// quiet drops the library's own log lines: refuse and the services say more.
var quiet = log.New(io.Discard, "", 0)

// rewrite prepares the request for the app. The adapter adds trace, request id and the verified token.
func rewrite(p *httputil.ProxyRequest) {
	for name := range p.Out.Header {
		if private(name) {
			delete(p.Out.Header, name)
		}
	}
	if address := middleware.GetClientIP(p.In.Context()); address != "" {
		p.Out.Header.Set("X-Forwarded-For", address)
	}
}

// hop calls an app by the sidecar.
type hop struct {
	app     string
	breaker *breaker
	invoker sidecar.Invoker
	body    *limitedBody
	limit   int64
}

// RoundTrip implements http.RoundTripper. HEAD becomes GET, since not every handler knows it; the
// answer's body then ends here.
func (h *hop) RoundTrip(r *http.Request) (*http.Response, error) {
	request := sidecar.Request{
		App: h.app, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header,
		Unbounded: true, // the context has the route's own deadline
	}
	if r.Body != nil && r.Body != http.NoBody {
		request.Body = h.body.reader()
	}
	if r.Method == http.MethodHead {
		request.Method = http.MethodGet
	}
	res, err := h.breaker.call(r.Context(), h.invoker, request, h.body)
	if failed := h.body.fault(h.limit); failed != nil {
		if err == nil {
			res.Body.Close()
		}
		return nil, failed
	}
	if err != nil {
		return nil, h.explain(r.Context(), err)
	}
	if r.Method == http.MethodHead {
		res.Body.Close()
		res.Body = http.NoBody
	}
	// A ContentLength of -1 would make the proxy flush after each write; event streams are flushed anyway.
	return &http.Response{
		StatusCode: res.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: res.Header, Body: res.Body, ContentLength: 0, Request: r,
	}, nil
}

func (h *hop) explain(ctx context.Context, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Unavailable, "unavailable", "The request took too long.").
			After(time.Second).With("service", h.app).Because(err)
	}
	return down(h.app, time.Second, err)
}

// clean prepares an app's answer for the client: what the gateway says itself is not said twice, and an
// error that is no problem becomes one. Its text may be a sidecar's or a library's.
func clean(res *http.Response) error {
	for name := range res.Header {
		if ours(name) {
			delete(res.Header, name)
		}
	}
	if res.StatusCode < 400 || isProblem(res.Header) {
		return nil
	}
	if res.Request.Method == http.MethodHead {
		return &foreign{status: res.StatusCode}
	}
	head, _ := io.ReadAll(io.LimitReader(res.Body, 300))
	return &foreign{status: res.StatusCode, allow: res.Header.Get("Allow"), text: string(bytes.ToValidUTF8(head, nil))}
}

// refuse answers what was not forwarded, or not answered as it should.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	var f *foreign
	switch {
	case errors.Is(r.Context().Err(), context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded): // a body that is too slow ends the context too
		w.WriteHeader(statusClientClosed) // for the metrics: nobody reads it
	case errors.As(err, &f):
		telemetry.Log(r.Context()).Warn().Int("status", f.status).Str("text", f.text).Msg("an upstream's error is no problem document")
		f.write(w)
	default:
		if fault.Of(err).Unwrap() != nil {
			telemetry.Log(r.Context()).Warn().Err(err).Msg("not forwarded")
		}
		httpx.WriteProblem(w, err)
	}
}

// statusClientClosed is nginx's word for a client that left before the answer.
const statusClientClosed = 499

// patient gives the client so long for each write: one that reads too slowly holds no connection for ever.
type patient struct {
	http.ResponseWriter
	client *http.ResponseController
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.client.SetWriteDeadline(time.Now().Add(patience))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
