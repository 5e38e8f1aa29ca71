package service

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"haberdash/internal/httpx"
)

// private tells the request headers that a client cannot set: those between us, our sidecar and the apps.
// The library has removed hop-by-hop headers, Forwarded and X-Forwarded-*.
func private(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "dapr-") || strings.HasPrefix(name, "grpc-") || strings.HasPrefix(name, "x-forwarded-") ||
		slices.Contains(privateHeaders, name)
}

var privateHeaders = []string{
	"accept-encoding", // the gateway compresses, so that its answers can be cached and read
	"authorization",   // the adapter sends the verified token
	"baggage", "tracestate", "traceparent", "x-request-id",
	"cookie", // the API has none
	"expect", "forwarded", "x-real-ip", "upgrade",
}

// ours tells the answer headers that the gateway sets itself.
func ours(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "dapr-") || strings.HasPrefix(name, "grpc-") || strings.HasPrefix(name, "access-control-") ||
		strings.HasPrefix(name, "ratelimit") || securityHeaders[http.CanonicalHeaderKey(name)] != "" ||
		slices.Contains([]string{"server", "traceparent", "tracestate", "x-request-id"}, name)
}

func isProblem(h http.Header) bool {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return media == "application/problem+json"
}

// foreign is an error answer that is not a problem document.
type foreign struct {
	status      int
	allow, text string
}

// Error implements error.
func (f *foreign) Error() string { return http.StatusText(f.status) }

// write answers with a problem of the same status; 502 and 504 are 503 to the client.
func (f *foreign) write(w http.ResponseWriter) {
	status, typ, detail := f.status, strings.ToLower(strings.ReplaceAll(http.StatusText(f.status), " ", "-")), "The request was refused."
	switch {
	case status == http.StatusNotFound:
		detail = "There is nothing at this address."
	case status == http.StatusMethodNotAllowed:
		detail = "This address does not take this method."
	case status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout:
		status, typ, detail = http.StatusServiceUnavailable, "unavailable", "A part of the shop does not answer just now."
		w.Header().Set("Retry-After", "1")
	case status >= 500:
		status, typ, detail = http.StatusInternalServerError, "internal", "Something went wrong on our side."
	}
	if f.allow != "" {
		w.Header().Set("Allow", f.allow)
	}
	p := &httpx.Problem{Type: httpx.ProblemBase + typ, Title: http.StatusText(status), Status: status, Detail: detail}
	p.Write(w)
}

var gzipped = must(gzhttp.NewWrapper(
	gzhttp.MinSize(1024), gzhttp.CompressionLevel(gzip.BestSpeed),
	gzhttp.ContentTypes([]string{
		"application/json", "application/problem+json", "application/x-ndjson", "image/svg+xml",
		"text/css", "text/csv", "text/html", "text/plain",
	}),
))

// compress compresses text of a KB and more. An answer with a strong ETag stays as it is: the tag promises
// these very bytes (RFC 9110, section 8.8.1), and clients send it back in If-Match.
func compress(next http.Handler) http.Handler {
	return gzipped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&exactWriter{w}, r)
	}))
}

// exactWriter marks answers with a strong ETag as not to be compressed.
type exactWriter struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *exactWriter) WriteHeader(status int) {
	if strings.HasPrefix(w.Header().Get("ETag"), `"`) {
		w.Header().Set(gzhttp.HeaderNoCompression, "1")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *exactWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
