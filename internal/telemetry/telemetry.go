// Package telemetry provides a service's logger, trace context and metrics registry.
//
// The trace context follows W3C Trace Context. It arrives with a request or a delivered event, is part of every log
// line, and internal/sidecar sends it with every call.
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

// Trace is the trace context of a request, which every call on its behalf continues.
type Trace struct {
	ID        string // 32 hex digits
	Span      string // 16 hex digits: the part of this service
	Flags     string // 2 hex digits
	RequestID string // identifies a request of a client, across all services
	Link      string // the trace id of a stranger who sent the request; empty if there is none
}

type traceKey struct{}

// NewTrace continues the trace of a traceparent header (W3C Trace Context, section 3.2). It starts a new trace if the
// header is missing or malformed. Without a request id, the trace id is used.
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

// NewLinkedTrace starts a trace that is linked to the trace of a traceparent header. It has no link if the header is
// missing or malformed.
func NewLinkedTrace(traceparent, requestID string) Trace {
	t := NewTrace("", requestID)
	t.Link, _, _ = parse(traceparent)
	return t
}

// parse reads a traceparent header. Versions after 00 may have more fields; ff is not a version.
func parse(traceparent string) (id, flags string, ok bool) {
	p := strings.Split(traceparent, "-")
	if len(p) < 4 || !isHex(p[0], 2) || p[0] == "ff" || (p[0] == "00" && len(p) > 4) {
		return "", "", false
	}
	if !isHex(p[1], 32) || !isHex(p[2], 16) || !isHex(p[3], 2) ||
		strings.Trim(p[1], "0") == "" || strings.Trim(p[2], "0") == "" {
		return "", "", false
	}
	return p[1], p[3], true
}

// Parent returns the traceparent header of a call on behalf of this trace.
func (t Trace) Parent() string { return "00-" + t.ID + "-" + t.Span + "-" + t.Flags }

// WithTrace puts the trace, and a logger that adds it to each line, into ctx.
func WithTrace(ctx context.Context, t Trace) context.Context {
	fields := zerolog.Ctx(ctx).With().Str("trace", t.ID).Str("request", t.RequestID)
	if t.Link != "" {
		fields = fields.Str("linkedTrace", t.Link)
	}
	logger := fields.Logger()
	return logger.WithContext(context.WithValue(ctx, traceKey{}, t))
}

// TraceOf returns the trace of ctx; ok is false outside of a request or delivery.
func TraceOf(ctx context.Context) (Trace, bool) {
	t, ok := ctx.Value(traceKey{}).(Trace)
	return t, ok
}

// Log returns the logger of ctx: that of the request or delivery, otherwise that of the service.
func Log(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

// NewLogger makes a logger that writes JSON lines with the app's name and UTC times. An unknown level is info.
func NewLogger(w io.Writer, app, level string) zerolog.Logger {
	zerolog.TimeFieldFormat = time.RFC3339Nano
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	l, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		l = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(l).With().Timestamp().Str("app", app).Logger()
}

// NewRegistry makes a metrics registry with the metrics of the Go runtime and of the process.
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
