package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// transport calls an app through the sidecar, for one request.
type transport struct {
	app      string
	upstream *protection.Upstream
	body     *body
}

// RoundTrip implements http.RoundTripper. HEAD becomes GET, because not every handler knows it; the body of the
// answer is dropped here.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	request := sidecar.Request{
		App: t.app, Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header,
		Unbounded: true, // the context has the route's own deadline
	}
	if r.Body != nil && r.Body != http.NoBody {
		request.Body = t.body.reader()
	}
	if r.Method == http.MethodHead {
		request.Method = http.MethodGet
	}
	res, err := t.upstream.Invoke(r.Context(), request, t.body.failed)
	if problem := t.body.problem(); problem != nil {
		if err == nil {
			res.Body.Close()
		}
		return nil, problem
	}
	if err != nil {
		return nil, t.problem(r.Context(), err)
	}
	if r.Method == http.MethodHead {
		res.Body.Close()
		res.Body = http.NoBody
	}
	// A ContentLength of -1 would make the proxy flush after each write. Event streams are flushed in any case.
	return &http.Response{
		StatusCode: res.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: res.Header, Body: res.Body, ContentLength: 0, Request: r,
	}, nil
}

// problem returns the problem of a call that failed: unavailable (503) unless err is one already.
func (t *transport) problem(ctx context.Context, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fault.New(fault.Unavailable, "unavailable", "The request took too long.").
			After(time.Second).With("service", t.app).Because(err)
	}
	return protection.Unavailable(t.app, time.Second, err)
}
