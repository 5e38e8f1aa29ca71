package service

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/cors"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// guard refuses addresses that two programs on the way could read differently, so that nothing passes as
// one address here and arrives as another there: dot segments, empty segments, backslashes and control
// characters, plain or encoded, once or several times; encoded slashes; what is not UTF-8; queries that do
// not parse. And it refuses more of an address or a header than any client of the API has to say, and headers that a
// sidecar cannot carry.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxTarget {
			tooLong(w, http.StatusRequestURITooLong, "uri-too-long", "path", maxTarget)
			return
		}
		if name, n := largest(r.Header); n > maxHeader {
			tooLong(w, http.StatusRequestHeaderFieldsTooLarge, "header-too-large", "header."+name, maxHeader)
			return
		}
		if name := unspeakable(r.Header); name != "" {
			httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed-request", "The request's header is not well-formed.").WithField("header."+name, "is not UTF-8"))
			return
		}
		if what := ambiguous(r.URL.EscapedPath()); what != "" {
			httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed-request", "The address is not well-formed.").WithField("path", what))
			return
		}
		if err := checkQuery(r.URL.RawQuery); err != nil {
			httpx.WriteProblem(w, err)
			return
		}
		if path := r.URL.Path; path != "/" && strings.HasSuffix(path, "/") {
			httpx.NotFound(w, r) // the sidecar drops the slash: routed here as one address, it would arrive as another
			return
		}
		next.ServeHTTP(w, r)
	})
}

// In bytes, of an address and of all of a header: less than the sidecars take (readBufferSize in dapr/apps.yaml), with
// room for what goes along.
const (
	maxTarget = 8 << 10
	maxHeader = 12 << 10
)

// largest gives the name that takes the most of a header, and how much all of them take.
func largest(h http.Header) (name string, total int) {
	most := 0
	for n, values := range h {
		size := 0
		for _, v := range values {
			size += len(n) + len(v) + 4 // ": " and the end of the line
		}
		if total += size; size > most {
			name, most = n, size
		}
	}
	return name, total
}

// unspeakable gives the name of a header that is not UTF-8, if there is one. The sidecars say headers to each other in
// strings of Protocol Buffers, which nothing else fits into: the call would fail as if the app were down, and a few of
// them would have the breaker take it for down.
func unspeakable(h http.Header) string {
	for name, values := range h {
		if !utf8.ValidString(strings.Join(values, " ")) {
			return name
		}
	}
	return ""
}

// tooLong refuses with a status that no fault has (RFC 9110, section 15.5.15; RFC 6585, section 5).
func tooLong(w http.ResponseWriter, status int, typ, location string, most int) {
	p := httpx.NewProblem(fault.New(fault.Malformed, typ, "The request's header is larger than the shop takes.").
		WithField(location, "too large").With("maxBytes", most))
	p.Status, p.Title = status, http.StatusText(status)
	p.Write(w)
}

// maxDecodings is how deep an encoding within an encoding is looked into; deeper ones are refused.
const maxDecodings = 4

// ambiguous says what is wrong with an escaped path, or nothing.
func ambiguous(path string) string {
	for depth := 0; ; depth++ {
		if what := odd(path, depth); what != "" {
			return what
		}
		decoded, err := url.PathUnescape(path)
		if err != nil && depth == 0 {
			return "is not percent-encoded"
		}
		if err != nil || decoded == path {
			return ""
		}
		if depth == maxDecodings {
			return "is encoded over and over"
		}
		if strings.Count(decoded, "/") != strings.Count(path, "/") {
			return "has an encoded slash"
		}
		path = decoded
	}
}

func odd(path string, depth int) string {
	if depth == 0 && !strings.HasPrefix(path, "/") {
		return "does not begin with a slash"
	}
	for _, c := range path {
		if c < ' ' || c == 0x7f || c == '\\' {
			return "has a control character or a backslash"
		}
	}
	if !utf8.ValidString(path) {
		return "is not UTF-8"
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "." || s == ".." {
			return "has a dot segment"
		}
		if s == "" && i != 0 && i != len(segments)-1 {
			return "has an empty segment"
		}
	}
	return ""
}

func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fault.New(fault.Malformed, "malformed-request", "The query is not well-formed.").WithField("query", "is not key=value pairs, percent-encoded")
	}
	for name, values := range query {
		if !utf8.ValidString(name) {
			return fault.BadField("query", "is not UTF-8")
		}
		if !utf8.ValidString(strings.Join(values, " ")) {
			return fault.BadField("query."+name, "is not UTF-8")
		}
	}
	return nil
}

// secure sets the headers that keep a browser from taking an answer for a page.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range securityHeaders {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

var securityHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	"Referrer-Policy":         "no-referrer",
	"X-Content-Type-Options":  "nosniff",
	"X-Frame-Options":         "DENY",
}

// cors lets the configured origins call the API from a browser. Credentials are tokens in a header, never
// cookies, so none are allowed along.
func (g *Gateway) cors() func(http.Handler) http.Handler {
	origins := g.deps.Config.CORSOrigins
	if len(origins) == 0 { // the library takes this for "all"
		return func(next http.Handler) http.Handler { return next }
	}
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: methods,
		AllowedHeaders: []string{
			"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match",
			"Last-Event-ID", "X-Order-Token", "X-Request-Id", "traceparent",
		},
		ExposedHeaders: []string{
			"Age", "Cache-Status", "ETag", "Idempotent-Replayed", "Location", "RateLimit", "RateLimit-Limit", "RateLimit-Policy",
			"RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id", "traceparent",
		},
		MaxAge: 600,
	})
}
