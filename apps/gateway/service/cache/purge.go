package cache

import (
	"net/http"
	"slices"
)

// Writes purges the cache after each request to next that may have changed something, before its client learns of
// the answer: who writes and then reads sees what they wrote. RFC 9111 (section 4.4) asks only for the address that
// was written to; but a product is in lists too, and its stock changes with orders.
func (c *Cache) Writes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		p := &purger{ResponseWriter: w, cache: c}
		defer p.judge(0) // no answer: it may have happened all the same
		next.ServeHTTP(p, r)
	})
}

// purger judges a write by its answer.
type purger struct {
	http.ResponseWriter
	cache  *Cache
	judged bool
}

// refused are the statuses which say that nothing was changed. Any other may have changed something: a 409 has let go
// of stock that it held, a 503 may be an answer that got lost.
var refused = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
	http.StatusPreconditionRequired, http.StatusTooManyRequests,
}

func (p *purger) judge(status int) {
	if !p.judged && !slices.Contains(refused, status) {
		p.cache.Purge()
	}
	p.judged = true
}

// WriteHeader implements http.ResponseWriter.
func (p *purger) WriteHeader(status int) {
	if status >= 200 {
		p.judge(status)
	}
	p.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (p *purger) Write(b []byte) (int, error) {
	p.judge(http.StatusOK)
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (p *purger) Unwrap() http.ResponseWriter { return p.ResponseWriter }
