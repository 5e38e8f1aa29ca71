package httpx

import (
	"net/http"
	"strings"

	"haberdash/internal/fault"
)

// Conditional responds with 304 to a GET or HEAD whose If-None-Match contains the ETag that the handler sets (RFC 9110,
// section 13.1.2). It discards the body of the handler.
func Conditional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		match := r.Header.Get("If-None-Match")
		if match == "" || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&conditionalWriter{ResponseWriter: w, ifNoneMatch: match}, r)
	})
}

type conditionalWriter struct {
	http.ResponseWriter
	ifNoneMatch string
	wroteHeader bool
	notModified bool // the body is discarded
}

func (w *conditionalWriter) WriteHeader(status int) {
	if w.wroteHeader {
		return
	}
	w.wroteHeader = true
	if status == http.StatusOK && matchesWeakly(w.ifNoneMatch, w.Header().Get("ETag")) {
		w.notModified = true
		w.Header().Del("Content-Type")
		w.Header().Del("Content-Length")
		w.Header().Del("Content-Encoding")
		status = http.StatusNotModified
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *conditionalWriter) Write(b []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	if w.notModified {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap returns the underlying writer, for http.ResponseController.
func (w *conditionalWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// matchesWeakly reports whether the list of If-None-Match contains the ETag, by weak comparison (RFC 9110, section
// 13.1.2).
func matchesWeakly(list, etag string) bool {
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

// IfMatch compares the If-Match header of a change with the current strong ETag of the resource. It returns the problem
// precondition-required (428; RFC 6585, section 3) if the header is missing, and precondition-failed (412; RFC 9110,
// section 13.1.1) if the header names other versions only.
func IfMatch(header, current string) error {
	if header == "" {
		return fault.New(fault.ConditionMissing, "precondition-required",
			"Send If-Match with the ETag you read, so that nobody's change is lost.").
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
