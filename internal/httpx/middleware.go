package httpx

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Trace continues the trace of the caller, or starts one. The response contains the trace and the id of the request.
func Trace(log zerolog.Logger) func(http.Handler) http.Handler { return withTrace(log, false) }

// LinkTrace is Trace for the requests of strangers. It starts a trace for each of them, which only names the trace of
// the caller: strangers could otherwise add to any trace whose id they know, or send all requests in one. Their baggage
// goes no further.
func LinkTrace(log zerolog.Logger) func(http.Handler) http.Handler { return withTrace(log, true) }

func withTrace(log zerolog.Logger, stranger bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := telemetry.Enter(log.WithContext(r.Context()), "HTTP", telemetry.Entry{
				Kind: trace.SpanKindServer, TraceParent: traceparent(r), Stranger: stranger,
				RequestID: validRequestID(r.Header.Get("X-Request-Id")), Unrecorded: IsOperational(r.URL.Path),
			})
			defer span.End()
			if !stranger {
				ctx = telemetry.WithBaggage(ctx, strings.Join(r.Header["Baggage"], ","))
			}
			w.Header().Set("X-Request-Id", telemetry.RequestID(ctx))
			w.Header().Set("traceparent", telemetry.TraceParent(ctx))
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// Profiles is the address below which a service serves its profiles.
const Profiles = "/debug/pprof"

// IsOperational reports whether a path is requested by probes, scrapers and operators, who have no token and no trace.
func IsOperational(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics" || strings.HasPrefix(path, Profiles+"/")
}

// traceparent returns the header of a request, or "" if it is not sent exactly once (W3C Trace Context, section 3.2).
func traceparent(r *http.Request) string {
	if values := r.Header["Traceparent"]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// validRequestID returns the request id that the caller has sent, or nothing if it cannot be part of a log line and of
// a header.
func validRequestID(id string) string {
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

// Recover turns a panic of a handler into a 500 and logs it with its stack.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				telemetry.Log(r.Context()).Error().Str(field.Error, fmt.Sprint(p)).Bytes(field.Stack, debug.Stack()).
					Msg("a handler panicked")
				WriteProblem(w, fault.New(fault.Internal, "internal", "Something went wrong on our side."))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Authenticate verifies the access token of a request that has one, and adds the caller to the context. It refuses a
// token that is not valid with 401 even if the operation needs none, because the client expects to be signed in.
func Authenticate(v *identity.Verifier) func(http.Handler) http.Handler {
	notBearer := fault.New(fault.Unauthenticated, "invalid-token", "The Authorization header is not a bearer token.").
		WithField("header.Authorization", "expected Bearer <accessToken>")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := r.Header.Get("Authorization")
			if header == "" {
				next.ServeHTTP(w, r)
				return
			}
			token, ok := identity.Bearer(header)
			if !ok {
				WriteProblem(w, notBearer)
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

// Deadline limits the time of each request, and so of the calls that its handler makes with the context of the request.
func Deadline(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
