// Package httpxtest has helpers for tests of HTTP handlers.
package httpxtest

import (
	"net/http"
	"sync/atomic"
)

// Alternate sends each request to the next of the handlers, which are replicas of one service. A test whose requests
// pass it also shows that the replicas answer as one.
func Alternate(replicas ...http.Handler) http.Handler {
	var requests atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[requests.Add(1)%uint64(len(replicas))].ServeHTTP(w, r)
	})
}
