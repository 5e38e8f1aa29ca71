package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
)

// pace is how fast a body must arrive at least.
type pace struct {
	grace     time.Duration // until the body begins
	perSecond int64         // bytes from then on, on average
	pause     time.Duration // the longest pause; what arrived early does not permit a longer one
}

// The pace of requests, and of imports, which a client may generate while it sends them.
var (
	ordinaryPace = pace{grace: 5 * time.Second, perSecond: 4 << 10, pause: 30 * time.Second}
	importPace   = pace{grace: 10 * time.Second, perSecond: 1 << 10, pause: 30 * time.Second}
)

// due returns when the next piece of a body must have arrived.
func (p pace) due(began time.Time, received int64) time.Time {
	due := began.Add(p.grace + time.Duration(received)*time.Second/time.Duration(p.perSecond))
	latest := time.Now().Add(p.pause)
	if latest.Before(due) {
		return latest
	}
	return due
}

// headSize is how much of a body, in bytes, the gateway reads before it calls the app. A client that sends a few
// lines of JSON slowly therefore uses none of the app's slots.
const headSize = 16 << 10

// body is a request body that is bounded in size, time and nesting. It records why it could not be read, because an
// app that received half a body cannot give the right answer.
type body struct {
	io.ReadCloser
	ctx      context.Context
	client   *http.ResponseController
	max      int64 // bytes
	began    time.Time
	deadline time.Time // zero: none
	pace     pace
	n        int64    // bytes received
	nesting  *nesting // nil: the body is not JSON
	head     bytes.Buffer
	complete bool // head is the whole body
	err      atomic.Pointer[error]
	due      atomic.Int64 // when a read that is in progress must have ended, in Unix nanoseconds; 0: none is in progress
}

// newBody bounds the body of a request. It reads the head of a body in advance, but not of an import, whose client may
// wait until the app has received the first rows.
func newBody(w http.ResponseWriter, r *http.Request, t Target, deadline time.Time) *body {
	b := &body{
		ReadCloser: http.MaxBytesReader(w, r.Body, t.MaxBody), ctx: r.Context(), client: http.NewResponseController(w),
		max: t.MaxBody, began: time.Now(), deadline: deadline, pace: ordinaryPace,
	}
	if t.Kind == protection.Import {
		b.pace = importPace
	}
	if media := r.Header.Get("Content-Type"); media == "" || strings.Contains(strings.ToLower(media), "json") {
		b.nesting = &nesting{}
	}
	if t.Kind != protection.Import && r.ContentLength != 0 {
		_, err := io.CopyN(&b.head, readerFunc(b.receive), headSize)
		b.complete = err == io.EOF
	}
	return b
}

// reader returns the body as it is forwarded.
func (b *body) reader() io.Reader {
	if b.complete {
		return bytes.NewReader(b.head.Bytes()) // its length is known, and it can be sent again
	}
	return b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.head.Len() > 0 {
		return b.head.Read(p)
	}
	return b.receive(p)
}

// receive reads from the client.
func (b *body) receive(p []byte) (int, error) {
	if err := b.err.Load(); err != nil {
		return 0, *err
	}
	due := b.pace.due(b.began, b.n)
	if b.deadline.IsZero() || due.Before(b.deadline) {
		_ = b.client.SetReadDeadline(due) // an error: the writer has no deadlines, as in tests
	}
	b.due.Store(due.UnixNano())
	received := httpserver.AwaitBody(b.ctx)
	n, err := b.ReadCloser.Read(p)
	received()
	b.n += int64(n)
	if err == nil && b.nesting != nil && !b.nesting.scan(p[:n]) {
		err = errTooDeep
	}
	if err == io.EOF {
		// When the shorter deadline passed, the server would conclude that the client has left.
		_ = b.client.SetReadDeadline(b.deadline)
	}
	// The proxy closes a body that the app did not need for its answer.
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err.Store(&err)
	}
	b.due.Store(0)
	return n, err
}

// readerFunc is a function as an io.Reader.
type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failed reports whether the body could not be read.
func (b *body) failed() bool { return b.failure() != nil }

// failure returns why the body could not be read. At the deadline of a read the server ends the context of the request
// first, and then the read.
func (b *body) failure() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	if due := b.due.Load(); due != 0 && !time.Now().Before(time.Unix(0, due)) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// problem returns the problem of a body that could not be read, nil of another: body-too-large (413), request-timeout
// (408), malformed-request (400).
func (b *body) problem() error {
	err := b.failure()
	if err == nil {
		return nil
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bodyTooLarge(b.max)
	case errors.Is(err, errTooDeep):
		return &bodyError{protection.MalformedRequest,
			fault.New(fault.Malformed, "malformed-request", "The body is nested too deeply.").
				WithField("body", "is nested too deeply").With("maxDepth", maxNesting)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &bodyError{protection.BodyTooSlow, tooSlow(err)}
	}
	return &bodyError{protection.MalformedRequest,
		fault.New(fault.Malformed, "malformed-request", "The body could not be read.").
			WithField("body", "ended early").Because(err)}
}

// bodyError is the problem of a body that the gateway refuses.
type bodyError struct {
	reason protection.Reason
	error
}

// Unwrap returns the problem.
func (e *bodyError) Unwrap() error { return e.error }

// tooSlow is the problem of a body that arrives too slowly (RFC 9110, section 15.5.9).
func tooSlow(cause error) error {
	p := httpx.NewProblem(fault.New(fault.Malformed, "request-timeout", "The body arrives too slowly.").
		WithField("body", "arrives too slowly").Because(cause))
	p.Status, p.Title = http.StatusRequestTimeout, http.StatusText(http.StatusRequestTimeout)
	return p
}

func bodyTooLarge(maxBytes int64) error {
	return &bodyError{protection.BodyTooLarge,
		fault.New(fault.TooLarge, "body-too-large", "The body is larger than the maximum of this address.").
			WithField("body", "too large").With("maxBytes", maxBytes)}
}
