package httpx

import (
	"context"
	"crypto/subtle"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

// Trace continues the caller's trace, or starts one, and names both trace and request in the answer.
func Trace(log zerolog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t := telemetry.NewTrace(r.Header.Get("traceparent"), cleanRequestID(r.Header.Get("X-Request-Id")))
			w.Header().Set("X-Request-Id", t.RequestID)
			w.Header().Set("traceparent", t.Parent())
			next.ServeHTTP(w, r.WithContext(telemetry.WithTrace(log.WithContext(r.Context()), t)))
		})
	}
}

// cleanRequestID takes a caller's request id only if it can stand in a log and a header.
func cleanRequestID(id string) string {
	if len(id) > 128 {
		return ""
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return id
}

// Recover turns a panic into a 500 and a log line with its stack.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				telemetry.Log(r.Context()).Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("panic")
				WriteProblem(w, fault.New(fault.Internal, "internal", "Something went wrong on our side."))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Observe counts and times requests by route pattern and logs each at debug level, those that fail with
// 5xx at warn. Paths with ids never become metric labels.
func Observe(reg prometheus.Registerer) func(http.Handler) http.Handler {
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
			took := time.Since(start)
			seconds.WithLabelValues(route, r.Method, strconv.Itoa(status)).Observe(took.Seconds())
			event := telemetry.Log(r.Context()).Debug()
			if status >= 500 {
				event = telemetry.Log(r.Context()).Warn()
			}
			event.Str("method", r.Method).Str("route", route).Int("status", status).Dur("took", took).Msg("request")
		})
	}
}

// AppToken lets only the sidecar in: it sends the app's API token in dapr-api-token. An empty token
// lets everyone in, which is for unit tests.
func AppToken(token string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if token == "" {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if subtle.ConstantTimeCompare([]byte(r.Header.Get("dapr-api-token")), []byte(token)) != 1 && !operational(r.URL.Path) {
				WriteProblem(w, fault.New(fault.Unauthenticated, "unauthenticated", "Only the Dapr sidecar may call this service."))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// operational paths are read by probes and scrapers, which know no token.
func operational(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// Authenticate verifies the access token, if one is sent, and puts the caller into the context. A wrong
// token is refused even where none is needed: the client believes to be somebody.
func Authenticate(v *identity.Verifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := r.Header.Get("Authorization")
			if header == "" {
				next.ServeHTTP(w, r)
				return
			}
			token, ok := identity.Bearer(header)
			if !ok {
				WriteProblem(w, fault.New(fault.Unauthenticated, "invalid-token", "The Authorization header is not a bearer token.").WithField("header.Authorization", "expected Bearer <accessToken>"))
				return
			}
			caller, err := v.Verify(r.Context(), token)
			if err != nil {
				WriteProblem(w, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(identity.With(r.Context(), caller, token)))
		})
	}
}

// Deadline bounds each request; what it calls inherits the bound.
func Deadline(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
