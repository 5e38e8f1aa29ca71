package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"haberdash/internal/sidecar"
)

// buffered is how much of an answer is held back until it is flushed or complete, in bytes. Answers that
// fit arrive when the handler has returned, so that a test sees all that the handler did.
const buffered = 1 << 20

// exchange is one invocation: a handler that writes at one end, the caller that reads at the other. As
// over a network, a flush sends what there is.
type exchange struct {
	header http.Header // the handler's until begun
	out    *io.PipeWriter

	status int
	held   bytes.Buffer
	begun  bool
	answer chan *sidecar.Response // one, when the answer begins
	failed chan error
}

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
)

// serve runs the handler and gives its answer once that begins.
func serve(h http.Handler, req *http.Request, cancel context.CancelFunc) (*sidecar.Response, error) {
	in, out := io.Pipe()
	x := &exchange{header: http.Header{}, out: out, answer: make(chan *sidecar.Response, 1), failed: make(chan error, 1)}
	go x.run(h, req)
	select {
	case res := <-x.answer:
		res.Body = &body{in, cancel}
		return res, nil
	case err := <-x.failed:
		cancel()
		return nil, err
	case <-req.Context().Done():
		cancel()
		in.Close()
		return nil, fmt.Errorf("%w: %w", sidecar.ErrUnavailable, req.Context().Err())
	}
}

// run is what a server does with a connection: a handler that panics breaks it off.
func (x *exchange) run(h http.Handler, req *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("%w: the handler panicked: %v", sidecar.ErrUnavailable, p)
			x.failed <- err
			x.out.CloseWithError(err)
			return
		}
		x.Flush()
		x.out.Close()
	}()
	h.ServeHTTP(x, req)
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= 200 {
		x.status = status
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(b []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	x.held.Write(b)
	if x.held.Len() > buffered {
		return len(b), x.send()
	}
	return len(b), nil
}

// Flush implements http.Flusher.
func (x *exchange) Flush() {
	x.WriteHeader(http.StatusOK)
	_ = x.send() // the caller is gone: the next write says so
}

func (x *exchange) send() error {
	if !x.begun {
		x.begun = true
		x.answer <- &sidecar.Response{Status: x.status, Header: x.header.Clone()}
	}
	_, err := x.held.WriteTo(x.out)
	return err
}

// body ends the invocation when it is closed.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *body) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
