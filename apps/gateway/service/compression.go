package service

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"
)

var gzipped = must(gzhttp.NewWrapper(
	gzhttp.MinSize(1024), gzhttp.CompressionLevel(gzip.BestSpeed),
	gzhttp.ContentTypes([]string{
		"application/json", "application/problem+json", "application/x-ndjson", "image/svg+xml",
		"text/css", "text/csv", "text/html", "text/plain",
	}),
))

// compress compresses text of one KB and more. It does not compress an answer with a strong ETag, because the tag
// promises exactly these bytes (RFC 9110, section 8.8.1) and clients send it back in If-Match.
func compress(next http.Handler) http.Handler {
	return gzipped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&exactWriter{w}, r)
	}))
}

// exactWriter marks answers with a strong ETag, so that the library does not compress them.
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
