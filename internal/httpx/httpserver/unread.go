package httpserver

import (
	"io"
	"net/http"
	"sync/atomic"
)

// closeUnread closes the connection after an answer that is given before the body of the request has arrived. Without
// it, the library would wait for the rest of the body before it sends the answer, for as long as the client likes.
func closeUnread(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		body := &endingBody{ReadCloser: r.Body}
		r.Body = body
		answer := &unreadWriter{ResponseWriter: w, body: body}
		next.ServeHTTP(answer, r)
		answer.decide() // if the handler has written nothing
	})
}

// endingBody notices that a body has been read to its end.
type endingBody struct {
	io.ReadCloser
	ended atomic.Bool
}

// Read implements io.Reader.
func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

type unreadWriter struct {
	http.ResponseWriter
	body    *endingBody
	decided bool
}

// decide decides before the header of the answer is sent whether the connection can be used again.
func (w *unreadWriter) decide() {
	if !w.decided && !w.body.ended.Load() {
		w.Header().Set("Connection", "close")
	}
	w.decided = true
}

// WriteHeader implements http.ResponseWriter.
func (w *unreadWriter) WriteHeader(status int) {
	if status >= 200 {
		w.decide()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *unreadWriter) Write(b []byte) (int, error) {
	w.decide()
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *unreadWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
