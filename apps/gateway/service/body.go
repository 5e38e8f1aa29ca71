package service

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"haberdash/internal/fault"
)

// limitedBody is a request body that remembers why it could not be read, because what an app makes of half
// a body is not the answer to give.
type limitedBody struct {
	io.ReadCloser
	err atomic.Pointer[error]
}

func limitBody(w http.ResponseWriter, r *http.Request, limit int64) *limitedBody {
	return &limitedBody{ReadCloser: http.MaxBytesReader(w, r.Body, limit)}
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	// A body that is closed was not needed: the app had answered already.
	if err != nil && err != io.EOF && !errors.Is(err, http.ErrBodyReadAfterClose) {
		b.err.Store(&err)
	}
	return n, err
}

func (b *limitedBody) failed() bool { return b.err.Load() != nil }

// fault is what to tell the client of a body that could not be read, nil if it could.
func (b *limitedBody) fault(limit int64) error {
	p := b.err.Load()
	if p == nil {
		return nil
	}
	var tooLarge *http.MaxBytesError
	if errors.As(*p, &tooLarge) {
		return bodyTooLarge(limit)
	}
	return fault.New(fault.Malformed, "malformed-request", "The body could not be read.").WithField("body", "ended early or too slowly").Because(*p)
}

func bodyTooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "body-too-large", "The body is larger than this address takes.").
		WithField("body", "too large").With("maxBytes", limit)
}
