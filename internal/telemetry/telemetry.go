// Package telemetry gives each service its logger, its trace context and its metrics registry.
//
// Trace context follows W3C Trace Context: it enters with a request or a delivered event, every log
// line names it, and internal/sidecar sends it on with every hop.
package telemetry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
)

// Trace is what travels with a request through every hop.
type Trace struct {
	ID        string // 32 hex digits
	Span      string // 16 hex digits: this service's part
	Flags     string // 2 hex digits
	RequestID string // names the request to the client; one per request of the outside world
}

type traceKey struct{}

// NewTrace continues a traceparent header (W3C Trace Context, section 3.2), or starts a trace when it is
// absent or malformed.
func NewTrace(traceparent, requestID string) Trace {
	t := Trace{ID: randomHex(16), Flags: "01", RequestID: requestID}
	if id, flags, ok := parse(traceparent); ok {
		t.ID, t.Flags = id, flags
	}
	t.Span = randomHex(8)
	if t.RequestID == "" {
		t.RequestID = t.ID
	}
	return t
}

// parse reads a traceparent header. Versions after 00 may have more fields, and ff is none.
func parse(traceparent string) (id, flags string, ok bool) {
	p := strings.Split(traceparent, "-")
	if len(p) < 4 || !isHex(p[0], 2) || p[0] == "ff" || (p[0] == "00" && len(p) > 4) {
		return "", "", false
	}
	ok = isHex(p[1], 32) && isHex(p[2], 16) && isHex(p[3], 2) && strings.Trim(p[1], "0") != "" && strings.Trim(p[2], "0") != ""
	return p[1], p[3], ok
}

// Parent is the traceparent header of a call made on behalf of this trace.
func (t Trace) Parent() string { return "00-" + t.ID + "-" + t.Span + "-" + t.Flags }

// WithTrace puts the trace and a logger that names it into ctx.
func WithTrace(ctx context.Context, t Trace) context.Context {
	logger := zerolog.Ctx(ctx).With().Str("trace", t.ID).Str("request", t.RequestID).Logger()
	return logger.WithContext(context.WithValue(ctx, traceKey{}, t))
}

// TraceOf gives the trace of ctx; ok is false outside of any request.
func TraceOf(ctx context.Context) (Trace, bool) {
	t, ok := ctx.Value(traceKey{}).(Trace)
	return t, ok
}

// Log is the logger of ctx: the request's, else the one put there by the service's main.
func Log(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

// NewLogger writes JSON lines with the app's name and UTC times. An unknown level is info.
func NewLogger(w io.Writer, app, level string) zerolog.Logger {
	zerolog.TimeFieldFormat = time.RFC3339Nano
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	l, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		l = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(l).With().Timestamp().Str("app", app).Logger()
}

// NewRegistry is a metrics registry with the Go runtime's and the process's own figures.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for _, c := range s {
		if !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return true
}
