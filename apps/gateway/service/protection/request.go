package protection

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// RejectMalformed refuses requests that two programs on the way to an app could read differently, so that no request
// is checked as one address here and arrives as another there. It refuses
//   - paths with dot segments, empty segments, backslashes or control characters, plain or encoded, also several times;
//   - paths with encoded slashes, and everything that is not UTF-8;
//   - queries that cannot be parsed, or have more parameters than any operation;
//   - addresses and headers that are larger than any client of the API needs;
//   - headers that a sidecar cannot carry;
//   - bodies with a content coding, such as gzip, and an Accept-Encoding that refuses every coding that there is.
//
// Problems: malformed-request (400), invalid-request (422), uri-too-long (414), header-too-large (431), not-found
// (404), not-acceptable (406), unsupported-media-type (415).
func RejectMalformed(refusals Refusals) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if answerMalformed(w, r) {
				refusals[MalformedRequest].Inc()
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answerMalformed answers a malformed request, and reports whether it is one.
func answerMalformed(w http.ResponseWriter, r *http.Request) bool {
	if len(r.RequestURI) > maxURI {
		writeTooLarge(w, http.StatusRequestURITooLong, "uri-too-long", "path", maxURI)
		return true
	}
	if name, n := largestHeader(r.Header); n > maxHeader {
		writeTooLarge(w, http.StatusRequestHeaderFieldsTooLarge, "header-too-large", "header."+name, maxHeader)
		return true
	}
	if name := headerNotUTF8(r.Header); name != "" {
		httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed-request",
			"The request's header is not well-formed.").WithField("header."+name, "is not UTF-8"))
		return true
	}
	if acceptsNothing(r) {
		writeNotAcceptable(w)
		return true
	}
	if hasContentCoding(r) {
		w.Header().Set("Accept-Encoding", "identity") // RFC 9110, section 12.5.3
		httpx.WriteProblem(w, fault.New(fault.UnsupportedMedia, "unsupported-media-type",
			"Bodies with a content coding are not supported.").
			WithField("header.Content-Encoding", "only identity is supported"))
		return true
	}
	if defect := pathDefect(r.URL.EscapedPath()); defect != "" {
		httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed-request",
			"The address is not well-formed.").WithField("path", defect))
		return true
	}
	if err := checkQuery(r.URL.RawQuery); err != nil {
		httpx.WriteProblem(w, err)
		return true
	}
	if path := r.URL.Path; path != "/" && strings.HasSuffix(path, "/") {
		httpx.NotFound(w, r) // the sidecar drops the slash, so the app would see another address than the router
		return true
	}
	return false
}

// Bounds of an address and of a whole header, in bytes. Both are below what the sidecars accept (readBufferSize in
// dapr/apps.yaml), so that the gateway and the sidecars can add headers.
const (
	maxURI    = 8 << 10
	maxHeader = 12 << 10
)

// largestHeader returns the name whose values take the most bytes, and the bytes of the whole header.
func largestHeader(h http.Header) (name string, total int) {
	largest := 0
	for n, values := range h {
		size := 0
		for _, v := range values {
			size += len(n) + len(v) + len(": \r\n")
		}
		if total += size; size > largest {
			name, largest = n, size
		}
	}
	return name, total
}

// hasContentCoding reports whether a request has a body with a content coding. No app decodes any.
func hasContentCoding(r *http.Request) bool {
	coding := strings.Join(r.Header.Values("Content-Encoding"), ",")
	return r.ContentLength != 0 && coding != "" && !strings.EqualFold(coding, "identity")
}

// headerNotUTF8 returns the name of a header with a value that is not UTF-8, or "". Sidecars send headers to each
// other as strings of Protocol Buffers, which must be UTF-8: the call would fail as if the app were down, and a few
// such calls would open the circuit breaker.
func headerNotUTF8(h http.Header) string {
	for name, values := range h {
		if !utf8.ValidString(strings.Join(values, " ")) {
			return name
		}
	}
	return ""
}

// writeTooLarge answers with a status that no fault has (RFC 9110, section 15.5.15; RFC 6585, section 5).
func writeTooLarge(w http.ResponseWriter, status int, problem, location string, maxBytes int) {
	p := httpx.NewProblem(fault.New(fault.Malformed, problem, "The request's header is larger than the maximum.").
		WithField(location, "too large").With("maxBytes", maxBytes))
	p.Status, p.Title = status, http.StatusText(status)
	p.Write(w)
}

// maxDecodings is how many encodings within each other are decoded to check a path. Deeper encodings are refused.
const maxDecodings = 4

// pathDefect describes what is wrong with an escaped path. It returns "" for a sound one.
func pathDefect(path string) string {
	for depth := 0; ; depth++ {
		if defect := segmentDefect(path, depth); defect != "" {
			return defect
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

// segmentDefect describes what is wrong with a path that was decoded depth times.
func segmentDefect(path string, depth int) string {
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

// maxParameters bounds the parameters of a query. No operation has nearly as many, and each costs the gateway, two
// sidecars and the app the work to parse it.
const maxParameters = 100

func checkQuery(raw string) error {
	if n := strings.Count(raw, "&") + 1; n > maxParameters {
		return fault.BadField("query", fmt.Sprintf("has %d parameters; the maximum is %d", n, maxParameters))
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return fault.New(fault.Malformed, "malformed-request", "The query is not well-formed.").
			WithField("query", "is not key=value pairs, percent-encoded")
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
