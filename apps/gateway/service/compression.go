package service

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"
	"github.com/klauspost/compress/gzip"

	"haberdash/apps/gateway/service/cache"
	"haberdash/apps/gateway/service/protection"
)

// minCompressed is the size in bytes from which on compression pays.
const minCompressed = 1024

// compressible are the media types that are compressed.
var compressible = []string{
	"application/json", "application/problem+json", "application/x-ndjson", "image/svg+xml",
	"text/css", "text/csv", "text/html", "text/plain",
}

var gzipped = must(gzhttp.NewWrapper(
	gzhttp.MinSize(minCompressed), gzhttp.CompressionLevel(gzip.BestSpeed), gzhttp.ContentTypes(compressible),
))

// compress compresses the answers to GET of one KB and more. Answers to other methods may have tokens next to text that
// the client has chosen, whose length would tell about the tokens (BREACH), and are short.
//
// A strong ETag promises exactly these bytes (RFC 9110, section 8.8.1), so a compressed answer has a weak one. Answers
// whose tag clients send back in If-Match, which does not accept weak ones, and private answers are not compressed if
// they have a strong ETag.
func (g *Gateway) compress(next http.Handler) http.Handler {
	zipped := gzipped(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&exactWriter{w, g, r}, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		zipped.ServeHTTP(&weakeningWriter{w, g, r}, r)
	})
}

// compressStored compresses an answer for the cache. It returns nil for an answer that is not compressed.
func (g *Gateway) compressStored(r *http.Request, header http.Header, body []byte) []byte {
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if len(body) < minCompressed || !slices.Contains(compressible, media) || g.mustBeExact(r, header) {
		return nil
	}
	var zipped bytes.Buffer
	w := must(gzip.NewWriterLevel(&zipped, gzip.BestSpeed))
	_, _ = w.Write(body) // a buffer takes everything
	_ = w.Close()
	return slices.Clip(zipped.Bytes())
}

// mustBeExact reports whether an answer must be sent as it is, because its ETag must stay strong.
func (g *Gateway) mustBeExact(r *http.Request, header http.Header) bool {
	return strings.HasPrefix(header.Get("ETag"), `"`) &&
		(!strings.HasPrefix(header.Get("Cache-Control"), "public") || g.access.TakesIfMatch(r))
}

// exactWriter marks answers that must be exact, so that the library does not compress them.
type exactWriter struct {
	http.ResponseWriter
	gateway *Gateway
	request *http.Request
}

// WriteHeader implements http.ResponseWriter.
func (w *exactWriter) WriteHeader(status int) {
	if w.gateway.mustBeExact(w.request, w.Header()) {
		w.Header().Set(gzhttp.HeaderNoCompression, "1")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *exactWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// weakeningWriter makes the ETag of a compressed answer weak. So is that of a 304 to a client that has the compressed
// answer: clients find what they have stored by it (RFC 9111, section 4.3.4).
type weakeningWriter struct {
	http.ResponseWriter
	gateway *Gateway
	request *http.Request
}

// WriteHeader implements http.ResponseWriter.
func (w *weakeningWriter) WriteHeader(status int) {
	header := w.Header()
	compressed := header.Get("Content-Encoding") == "gzip"
	if status == http.StatusNotModified {
		compressed = protection.AcceptsGzip(w.request) && !w.gateway.mustBeExact(w.request, header) &&
			strings.Contains(w.request.Header.Get("If-None-Match"), "W/"+header.Get("ETag"))
	}
	if compressed {
		cache.Weaken(header)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *weakeningWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
