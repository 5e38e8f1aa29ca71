package protection

import (
	"net/http"

	"github.com/go-chi/cors"
)

// SecurityHeaders sets the headers that prevent a browser from showing an answer as a page.
func SecurityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range securityHeaders {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

// IsSecurityHeader reports whether SecurityHeaders sets a header, whose name is in any case.
func IsSecurityHeader(name string) bool { return securityHeaders[http.CanonicalHeaderKey(name)] != "" }

var securityHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	"Referrer-Policy":         "no-referrer",
	"X-Content-Type-Options":  "nosniff",
	"X-Frame-Options":         "DENY",
}

// CORS permits pages of the given origins to call the API with the given methods. There must be an origin: without one,
// the library permits all. It permits no credentials, because
// they are tokens in a header and never cookies.
func CORS(origins, methods []string) func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: methods,
		AllowedHeaders: []string{
			"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match",
			"Last-Event-ID", "X-Order-Token", "X-Request-Id", "traceparent",
		},
		ExposedHeaders: []string{
			"Age", "Cache-Status", "ETag", "Idempotent-Replayed", "Location", "RateLimit", "RateLimit-Limit",
			"RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id", "traceparent",
		},
		MaxAge: 600,
	})
}
