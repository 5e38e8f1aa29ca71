package httpx

import (
	"net/http"
	"strings"

	"haberdash/internal/fault"
)

// Conditional answers 304 to a GET or HEAD whose If-None-Match names the ETag that the handler set
// (RFC 9110, section 13.1.2). The handler's body is dropped.
func Conditional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		match := r.Header.Get("If-None-Match")
		if match == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&conditionalWriter{ResponseWriter: w, match: match}, r)
	})
}

type conditionalWriter struct {
	http.ResponseWriter
	match          string
	wrote, dropped bool
}

func (w *conditionalWriter) WriteHeader(status int) {
	if w.wrote {
		return
	}
	w.wrote = true
	if status == http.StatusOK && matches(w.match, w.Header().Get("ETag")) {
		w.dropped = true
		w.Header().Del("Content-Type")
		w.Header().Del("Content-Length")
		status = http.StatusNotModified
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *conditionalWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	if w.dropped {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *conditionalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// matches compares weakly, as If-None-Match asks for.
func matches(list, etag string) bool {
	if etag == "" {
		return false
	}
	for _, candidate := range strings.Split(list, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// IfMatch checks a change's If-Match header against the resource's current strong ETag: 428
// precondition-required without the header, 412 precondition-failed when it names another
// version (RFC 9110, section 13.1.1; RFC 6585, section 3).
func IfMatch(header, current string) error {
	if header == "" {
		return fault.New(fault.ConditionMissing, "precondition-required", "Send If-Match with the ETag you read, so that nobody's change is lost.").
			WithField("header.If-Match", "required")
	}
	for _, candidate := range strings.Split(header, ",") {
		if candidate = strings.TrimSpace(candidate); candidate == "*" || candidate == current {
			return nil
		}
	}
	return fault.New(fault.Stale, "precondition-failed", "The resource has changed since you read it. Read it again.").
		WithField("header.If-Match", "does not name the current version")
}
