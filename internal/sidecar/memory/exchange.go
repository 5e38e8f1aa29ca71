package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"haberdash/internal/sidecar"
)

// bufferSize is how many bytes of a response are buffered until the handler flushes or returns. The caller gets a
// response that fits into the buffer when the handler has returned, so a test sees everything that the handler did.
const bufferSize = 1 << 20

// exchange is one invocation. The handler writes the response into it, and the caller reads the response from a pipe.
// As with a network, a flush sends the buffer.
type exchange struct {
	header http.Header // may be changed by the handler until began is true
	out    *io.PipeWriter

	status   int
	buffer   bytes.Buffer
	began    bool
	response chan *sidecar.Response // receives one response, when it begins
	failed   chan error
}

var (
	_ http.ResponseWriter = (*exchange)(nil)
	_ http.Flusher        = (*exchange)(nil)
)

// serve runs the handler and returns its response when the response begins.
func serve(h http.Handler, req *http.Request, cancel context.CancelFunc) (*sidecar.Response, error) {
	in, out := io.Pipe()
	x := &exchange{
		header: http.Header{}, out: out, response: make(chan *sidecar.Response, 1), failed: make(chan error, 1),
	}
	go x.run(h, req)
	select {
	case res := <-x.response:
		res.Body = &body{in, cancel}
		return res, nil
	case err := <-x.failed:
		cancel()
		return nil, err
	case <-req.Context().Done():
		cancel()
		_ = in.Close()
		return nil, fmt.Errorf("%w: %w", sidecar.ErrUnavailable, req.Context().Err())
	}
}

// run calls the handler. As with a server, the response breaks off if the handler panics.
func (x *exchange) run(h http.Handler, req *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			err := fmt.Errorf("%w: the handler panicked: %v", sidecar.ErrUnavailable, p)
			x.failed <- err
			x.out.CloseWithError(err)
			return
		}
		x.Flush()
		_ = x.out.Close()
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
	x.buffer.Write(b)
	if x.buffer.Len() > bufferSize {
		return len(b), x.send()
	}
	return len(b), nil
}

// Flush implements http.Flusher.
func (x *exchange) Flush() {
	x.WriteHeader(http.StatusOK)
	_ = x.send() // if the caller has closed the body, the next Write returns the error
}

func (x *exchange) send() error {
	if !x.began {
		x.began = true
		x.response <- &sidecar.Response{Status: x.status, Header: x.header.Clone()}
	}
	_, err := x.buffer.WriteTo(x.out)
	return err
}

// body cancels the invocation when it is closed.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
