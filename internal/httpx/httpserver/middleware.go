package httpserver

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// closeConnections asks clients to close their connections while the server shuts down. A new connection reaches
// another replica.
func (s *Server) closeConnections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// observe measures the duration of each request and logs it (see LogRequests). The label is the pattern of the route,
// because paths contain ids.
func (s *Server) observe(reg prometheus.Registerer) func(http.Handler) http.Handler {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time to answer a request, by route, method and status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	reg.MustRegister(seconds)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start, ww := time.Now(), middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			next.ServeHTTP(ww, r)
			route, status := chi.RouteContext(r.Context()).RoutePattern(), ww.Status()
			if status == 0 {
				status = http.StatusOK
			}
			if route == "" {
				route = "unmatched"
			}
			took, method, span := time.Since(start), methodLabel(r.Method), trace.SpanFromContext(r.Context())
			describe(span, route, method, status)
			observeWithTrace(seconds.WithLabelValues(route, method, strconv.Itoa(status)), took.Seconds(), span)
			s.logRequest(r, answer{route: route, method: method, status: status, bytes: ww.BytesWritten(), took: took})
		})
	}
}

// observeWithTrace adds a value to a histogram. If the trace is recorded, it becomes the exemplar of the bucket.
func observeWithTrace(o prometheus.Observer, value float64, span trace.Span) {
	if exemplars, ok := o.(prometheus.ExemplarObserver); ok && span.IsRecording() {
		exemplars.ObserveWithExemplar(value, prometheus.Labels{"trace_id": span.SpanContext().TraceID().String()})
		return
	}
	o.Observe(value)
}

// describe names the span of a request by its route. The span has no path, because ids in it may be secrets.
func describe(span trace.Span, route, method string, status int) {
	if !span.IsRecording() {
		return
	}
	span.SetName(method + " " + route)
	span.SetAttributes(semconv.HTTPRequestMethodKey.String(method), semconv.HTTPRoute(route),
		semconv.HTTPResponseStatusCode(status))
	if status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}

// methodLabel returns a method as a label of metrics and logs. A client may send any word as a method, and each would
// be a time series of its own.
func methodLabel(method string) string {
	if slices.Contains(httpx.Methods, method) {
		return method
	}
	return "other"
}

// requireAppToken refuses requests that do not come from the sidecar, which sends the token in the header
// dapr-api-token. It accepts all requests if the token is empty.
func requireAppToken(token string) func(http.Handler) http.Handler {
	refusal := fault.New(fault.Unauthenticated, "unauthenticated", "Only the Dapr sidecar may call this service.")
	return func(next http.Handler) http.Handler {
		if token == "" {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent := r.Header.Get("dapr-api-token")
			if subtle.ConstantTimeCompare([]byte(sent), []byte(token)) != 1 && !httpx.IsOperational(r.URL.Path) {
				httpx.WriteProblem(w, refusal)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}
