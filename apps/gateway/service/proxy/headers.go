package proxy

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"haberdash/apps/gateway/service/protection"
	"haberdash/internal/httpx"
)

// isPrivate reports whether a request header belongs to the gateway, the sidecars and the apps, so that a client
// cannot set it. The standard library's proxy has removed hop-by-hop headers, Forwarded and X-Forwarded-* before.
func isPrivate(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "dapr-") || strings.HasPrefix(name, "grpc-") ||
		strings.HasPrefix(name, "x-forwarded-") || slices.Contains(privateHeaders, name)
}

var privateHeaders = []string{
	"accept-encoding", // the gateway compresses, so that it can cache and read the answers
	"authorization",   // the sidecar's client sends the verified token
	"baggage", "tracestate", "traceparent", "x-request-id",
	"cookie", // the API has no cookies
	"expect", "forwarded", "x-real-ip", "upgrade",
}

// isGatewayHeader reports whether the gateway sets a header of an answer itself.
func isGatewayHeader(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "dapr-") || strings.HasPrefix(name, "grpc-") ||
		strings.HasPrefix(name, "access-control-") || strings.HasPrefix(name, "ratelimit") ||
		protection.IsSecurityHeader(name) ||
		slices.Contains([]string{"server", "traceparent", "tracestate", "x-request-id"}, name)
}

// clean prepares an app's answer for the client. It removes the headers that the gateway sets itself, and fails with
// a rawError for an error that is no problem document, because its text may be a sidecar's or a library's.
func clean(res *http.Response) error {
	for name := range res.Header {
		if isGatewayHeader(name) {
			delete(res.Header, name)
		}
	}
	allowHead(res.Header)
	if res.StatusCode < 400 || isProblem(res.Header) {
		return nil
	}
	if res.Request.Method == http.MethodHead {
		return &rawError{status: res.StatusCode}
	}
	head, _ := io.ReadAll(io.LimitReader(res.Body, 300))
	return &rawError{
		status: res.StatusCode, allow: res.Header.Get("Allow"), text: string(bytes.ToValidUTF8(head, nil)),
	}
}

// allowHead adds HEAD to an Allow header that has GET. The apps have no HEAD: the gateway answers it with their answer
// to GET.
func allowHead(h http.Header) {
	allowed := strings.Split(h.Get("Allow"), ", ")
	if at := slices.Index(allowed, http.MethodGet); at >= 0 && !slices.Contains(allowed, http.MethodHead) {
		h.Set("Allow", strings.Join(slices.Insert(allowed, at+1, http.MethodHead), ", "))
	}
}

func isProblem(h http.Header) bool {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return media == "application/problem+json"
}

// rawError is an error answer that is no problem document.
type rawError struct {
	status      int
	allow, text string
}

// Error implements error.
func (e *rawError) Error() string { return http.StatusText(e.status) }

// write answers with a problem of the same status. The client sees 502 and 504 as 503.
func (e *rawError) write(w http.ResponseWriter) {
	status, detail := e.status, "The request was refused."
	typ := strings.ToLower(strings.ReplaceAll(http.StatusText(e.status), " ", "-"))
	switch {
	case status == http.StatusNotFound:
		detail = "There is nothing at this address."
	case status == http.StatusMethodNotAllowed:
		detail = "This address does not take this method."
	case status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout:
		status, typ = http.StatusServiceUnavailable, "unavailable"
		detail = "A part of the shop does not answer just now."
		w.Header().Set("Retry-After", "1")
	case status >= 500:
		status, typ, detail = http.StatusInternalServerError, "internal", "Something went wrong on our side."
	}
	if e.allow != "" {
		w.Header().Set("Allow", e.allow)
	}
	p := &httpx.Problem{Type: httpx.ProblemBase + typ, Title: http.StatusText(status), Status: status, Detail: detail}
	p.Write(w)
}
