package cache

import (
	"net/http"
	"slices"
)

// Writes purges the cache after each request to next that may have changed something, and before its client receives
// the answer, so that a client that reads after a write sees its result. RFC 9111 (section 4.4) requires this only
// for the address that was written to; but a product is in lists, too, and its stock changes with orders.
func (c *Cache) Writes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		p := &purgingWriter{ResponseWriter: w, cache: c}
		defer p.answered(0) // without an answer, the write may have happened all the same
		next.ServeHTTP(p, r)
	})
}

// purgingWriter purges the cache when a write is answered.
type purgingWriter struct {
	http.ResponseWriter
	cache *Cache
	done  bool
}

// refusals are the statuses of writes that changed nothing. A write with any other status may have changed something:
// a 409 may have released reserved stock, a 503 may stand for an answer that was lost.
var refusals = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
	http.StatusMethodNotAllowed, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge,
	http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusPreconditionRequired,
	http.StatusTooManyRequests,
}

// answered purges the cache once, by the first status of the answer.
func (w *purgingWriter) answered(status int) {
	if !w.done && !slices.Contains(refusals, status) {
		w.cache.Purge()
	}
	w.done = true
}

// WriteHeader implements http.ResponseWriter.
func (w *purgingWriter) WriteHeader(status int) {
	if status >= 200 {
		w.answered(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *purgingWriter) Write(b []byte) (int, error) {
	w.answered(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *purgingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
