package service

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// A body that is paced has so long to begin with, and then for each slowest bytes another second.
const (
	grace   = 5 * time.Second
	slowest = 4 << 10
)

// firstPiece is how much of a body is read before the app is asked for anything: a client that is slow to send a few
// lines of JSON takes no connection to it.
const firstPiece = 16 << 10

// limitedBody is a request body that is bounded in size, time and nesting, and remembers why it could not be read,
// because what an app makes of half a body is not the answer to give.
type limitedBody struct {
	io.ReadCloser
	ctx     context.Context
	client  *http.ResponseController
	began   time.Time
	until   time.Time // the latest; zero: no such time
	paced   bool
	n       int64
	nesting *nesting // nil: no JSON
	first   bytes.Buffer
	whole   bool // first is all of it
	err     atomic.Pointer[error]
}

// limitBody bounds the body of a route's request. Imports are large and may be made while they are sent: they are
// neither paced nor read ahead.
func limitBody(w http.ResponseWriter, r *http.Request, rt route, until time.Time) *limitedBody {
	b := &limitedBody{
		ReadCloser: http.MaxBytesReader(w, r.Body, rt.body), ctx: r.Context(), client: http.NewResponseController(w),
		began: time.Now(), until: until, paced: rt.body == maxBody,
	}
	if media := r.Header.Get("Content-Type"); media == "" || strings.Contains(strings.ToLower(media), "json") {
		b.nesting = &nesting{}
	}
	if b.paced && r.ContentLength != 0 {
		b.ahead()
	}
	return b
}

// ahead reads the first piece.
func (b *limitedBody) ahead() {
	_, err := io.CopyN(&b.first, reader(b.receive), firstPiece)
	b.whole = err == io.EOF
}

// reader returns what is to be sent on.
func (b *limitedBody) reader() io.Reader {
	if b.whole {
		return bytes.NewReader(b.first.Bytes()) // of a known length, and can be sent again
	}
	return b
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.first.Len() > 0 {
		return b.first.Read(p)
	}
	return b.receive(p)
}

func (b *limitedBody) receive(p []byte) (int, error) {
	if err := b.err.Load(); err != nil {
		return 0, *err
	}
	if due := b.began.Add(grace + time.Duration(b.n)*time.Second/slowest); b.paced && (b.until.IsZero() || due.Before(b.until)) {
		_ = b.client.SetReadDeadline(due) // an error: the writer has none, as in tests
	}
	arrived := httpx.Await(b.ctx)
	n, err := b.ReadCloser.Read(p)
	arrived()
	b.n += int64(n)
	if err == nil && b.nesting != nil && !b.nesting.take(p[:n]) {
		err = errTooDeep
	}
	if err == io.EOF && b.paced {
		_ = b.client.SetReadDeadline(b.until) // else the server would take the end of the other for the client's leaving
	}
	// A body that is closed was not needed: the app had answered already.
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err.Store(&err)
	}
	return n, err
}

// reader makes an io.Reader of a function.
type reader func([]byte) (int, error)

// Read implements io.Reader.
func (r reader) Read(p []byte) (int, error) { return r(p) }

func (b *limitedBody) failed() bool { return b.err.Load() != nil }

// fault is what to tell the client of a body that could not be read, nil if it could.
func (b *limitedBody) fault(limit int64) error {
	p := b.err.Load()
	if p == nil {
		return nil
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(*p, &tooLarge):
		return bodyTooLarge(limit)
	case errors.Is(*p, errTooDeep):
		return fault.New(fault.Malformed, "malformed-request", "The body is nested too deeply.").
			WithField("body", "is nested too deeply").With("maxDepth", maxNesting)
	}
	return fault.New(fault.Malformed, "malformed-request", "The body could not be read.").WithField("body", "ended early or too slowly").Because(*p)
}

func bodyTooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "body-too-large", "The body is larger than this address takes.").
		WithField("body", "too large").With("maxBytes", limit)
}

// maxNesting bounds how deep the objects and arrays of JSON may go; those of the API go to five.
const maxNesting = 64

var errTooDeep = errors.New("nested too deeply")

// nesting follows the depth of JSON as it streams by. Whether it is JSON at all, the app says.
type nesting struct {
	depth         int
	text, escaped bool
}

// take reports false when the depth goes beyond the bound.
func (n *nesting) take(p []byte) bool {
	for _, c := range p {
		switch {
		case n.escaped:
			n.escaped = false
		case n.text:
			n.escaped, n.text = c == '\\', c != '"'
		case c == '"':
			n.text = true
		case c == '{' || c == '[':
			if n.depth++; n.depth > maxNesting {
				return false
			}
		case c == '}' || c == ']':
			n.depth--
		}
	}
	return true
}
