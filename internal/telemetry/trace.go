package telemetry

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/telemetry/field"
)

// Entry says how something enters a service.
type Entry struct {
	// Kind is trace.SpanKindServer for a request and SpanKindConsumer for a delivery.
	Kind trace.SpanKind
	// TraceParent is the traceparent header of the caller (W3C Trace Context, section 3.2). If it is missing or malformed,
	// a new trace begins.
	TraceParent string
	// Stranger says that the caller may be anybody. A new trace begins, which is only linked to that of the caller:
	// strangers could otherwise add to any trace whose id they know, send all requests in one, or have all recorded.
	Stranger bool
	// RequestID identifies a request of a client, across all services. If it is empty, it is the id of the trace.
	RequestID string
	// Unrecorded says that the span is never exported, as that of a probe.
	Unrecorded bool
}

// Enter starts the span of a request, a delivery or a step in the background. Its context has a logger that adds the
// ids of the trace and of the request to each line. The caller ends the span.
func Enter(ctx context.Context, name string, e Entry) (context.Context, trace.Span) {
	caller := remote(e.TraceParent)
	options := []trace.SpanStartOption{trace.WithSpanKind(e.Kind)}
	switch {
	case e.Stranger && caller.IsValid():
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: caller}))
	case e.Stranger, !caller.IsValid():
		options = append(options, trace.WithNewRoot())
	default:
		ctx = trace.ContextWithRemoteSpanContext(ctx, caller)
	}
	start := tracer()
	if e.Unrecorded {
		start = unrecorded
	}
	ctx, span := start.Start(ctx, name, options...)
	request := e.RequestID
	if request == "" {
		request = span.SpanContext().TraceID().String()
	}
	linked := ""
	if e.Stranger && caller.IsValid() {
		linked = caller.TraceID().String()
	}
	return withLogger(ctx, span.SpanContext(), request, linked), span
}

// withLogger returns a context with the id of a request, and with a logger that adds ids to each line. They replace
// those of an entry around it: Elasticsearch refuses a line that has a field twice.
func withLogger(ctx context.Context, span trace.SpanContext, request, linkedTrace string) context.Context {
	plain := zerolog.Ctx(ctx)
	if outer, ok := ctx.Value(enteredKey{}).(*entered); ok && outer.withIDs == plain {
		plain = outer.plain
	}
	fields := plain.With().Str(field.Trace, span.TraceID().String()).
		Str(field.Span, span.SpanID().String()).Str(field.Request, request)
	if linkedTrace != "" {
		fields = fields.Str(field.LinkedTrace, linkedTrace)
	}
	logger := fields.Logger()
	ctx = logger.WithContext(ctx)
	return context.WithValue(ctx, enteredKey{}, &entered{request, plain, zerolog.Ctx(ctx)})
}

// entered is what a context knows of its entry: the id of the request, the logger of the entry, and the one from which
// it was made.
type entered struct {
	request        string
	plain, withIDs *zerolog.Logger
}

type enteredKey struct{}

// End ends a span, as failed if err is an error. The text of err is not part of the span, because it may name a person.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// propagator reads and writes the header traceparent.
var propagator propagation.TraceContext

// remote returns the span context of a traceparent header, an invalid one if the header is missing or malformed.
func remote(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagator.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

// RequestID returns the id of the request for which ctx works, "" if there is none.
func RequestID(ctx context.Context) string {
	if e, ok := ctx.Value(enteredKey{}).(*entered); ok {
		return e.request
	}
	return ""
}

// TraceID returns the id of the trace of ctx, "" if it belongs to none.
func TraceID(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.HasTraceID() {
		return c.TraceID().String()
	}
	return ""
}

// TraceParent returns the header traceparent of a call on behalf of ctx, "" if ctx belongs to no trace.
func TraceParent(ctx context.Context) string { return header(trace.SpanContextFromContext(ctx)) }

func header(c trace.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	flags := "-00"
	if c.IsSampled() {
		flags = "-01"
	}
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + flags
}

// RecordedParent returns TraceParent if the trace is recorded, and otherwise "". It is for what is stored.
func RecordedParent(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() {
		return header(c)
	}
	return ""
}

// Start starts the span of a step, such as a call of another app. If ctx has no recorded span, Start returns a span
// that does nothing: what the service does by itself, such as the write of a checkpoint, is in no trace. The caller
// ends the span.
func Start(ctx context.Context, name string, kind trace.SpanKind, attributes ...attribute.KeyValue,
) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, notRecorded
	}
	return tracer().Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attributes...))
}

// StartBatch starts the span of a step that is taken for several traces at once, such as a commit. parents are their
// traceparent headers. The span belongs to the first that is recorded, and is linked to the others. It starts none if
// none is recorded. The caller ends the span.
func StartBatch(ctx context.Context, name string, kind trace.SpanKind, parents ...string,
) (context.Context, trace.Span) {
	var first trace.SpanContext
	var links []trace.Link
	for _, p := range parents {
		switch c := remote(p); {
		case !c.IsSampled():
		case !first.IsValid():
			first = c
		case len(links) < maxLinks:
			links = append(links, trace.Link{SpanContext: c})
		}
	}
	if !first.IsValid() {
		return ctx, notRecorded
	}
	ctx, span := tracer().Start(trace.ContextWithRemoteSpanContext(ctx, first), name, trace.WithSpanKind(kind),
		trace.WithLinks(links...))
	return withLogger(ctx, span.SpanContext(), first.TraceID().String(), ""), span
}

// maxLinks bounds the links of a span.
const maxLinks = 127

// notRecorded is a span that does nothing.
var notRecorded = trace.SpanFromContext(context.Background())
