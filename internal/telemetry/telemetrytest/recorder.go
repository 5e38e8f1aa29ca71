// Package telemetrytest records spans for tests.
package telemetrytest

import (
	"slices"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"haberdash/internal/telemetry"
)

// Recorder has the spans that have ended.
type Recorder struct{ spans *tracetest.SpanRecorder }

// lock lets one test record at a time, because the tracer belongs to the process.
var lock sync.Mutex

// Record records every trace until the test ends. Tests that run at the same time record theirs too: see Of.
func Record(t testing.TB) *Recorder {
	t.Helper()
	lock.Lock()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	restore := telemetry.Use(provider.Tracer("test"))
	t.Cleanup(func() {
		restore()
		lock.Unlock()
	})
	return &Recorder{spans}
}

// Of returns the spans of a trace, by their names. A name that several spans have is that of the last one.
func (r *Recorder) Of(traceID string) map[string]sdktrace.ReadOnlySpan {
	spans := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range r.spans.Ended() {
		if s.SpanContext().TraceID().String() == traceID {
			spans[s.Name()] = s
		}
	}
	return spans
}

// Names returns the sorted names of the spans of a trace.
func (r *Recorder) Names(traceID string) []string {
	var names []string
	for name := range r.Of(traceID) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
