package telemetry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const scope = "haberdash"

// unrecorded gives spans ids and records none.
var unrecorded = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer(scope)

// current is the tracer of the service. Until StartExport it starts no recorded trace and exports nothing.
var current atomic.Pointer[trace.Tracer]

func init() {
	idle := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))).Tracer(scope)
	current.Store(&idle)
}

func tracer() trace.Tracer { return *current.Load() }

// StartExport exports spans as OTLP, if the environment names a collector in OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; without one, traces have ids and nothing is recorded. With
// OTEL_METRICS_EXPORTER=otlp it also exports the metrics of the registry. All variables of OpenTelemetry's
// specification apply, above all:
//
//	OTEL_EXPORTER_OTLP_PROTOCOL             http/protobuf (default) or grpc
//	OTEL_TRACES_SAMPLER, …_SAMPLER_ARG      parentbased_always_on (default), parentbased_traceidratio and 0.1, …
//	OTEL_TRACES_EXPORTER=none, OTEL_SDK_DISABLED=true   turn it off
//	OTEL_BSP_MAX_QUEUE_SIZE                 how many spans wait for the collector in memory; 2048 by default
//
// While the collector does not answer, spans beyond the queue are dropped and counted. stop exports the queued spans
// and the last metrics.
func StartExport(ctx context.Context, app string, log zerolog.Logger, reg *prometheus.Registry,
) (stop func(context.Context) error, err error) {
	counts := newSpanCounts(reg)
	spans, metrics := ExportConfigured(os.Getenv), MetricsExportConfigured(os.Getenv)
	if !spans && !metrics {
		return func(context.Context) error { return nil }, nil
	}
	otel.SetErrorHandler(&exportErrors{log: log})
	attributes, err := newResource(ctx, app)
	if err != nil {
		return nil, err
	}
	stopSpans, stopMetrics := noStop, noStop
	if spans {
		if stopSpans, err = startSpanExport(ctx, attributes, counts); err != nil {
			return nil, err
		}
	}
	if metrics {
		if stopMetrics, err = startMetricsExport(ctx, attributes, reg); err != nil {
			return nil, errors.Join(err, stopSpans(ctx))
		}
	}
	return func(ctx context.Context) error { return errors.Join(stopSpans(ctx), stopMetrics(ctx)) }, nil
}

func noStop(context.Context) error { return nil }

// newResource returns the attributes of everything that a service exports.
func newResource(ctx context.Context, app string) (*resource.Resource, error) {
	// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come last and win.
	attributes, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName(app), semconv.ServiceNamespace("haberdash")), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return attributes, nil
}

func startSpanExport(ctx context.Context, attributes *resource.Resource, counts *spanCounts,
) (stop func(context.Context) error, err error) {
	exporter, err := newExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP: %w", err)
	}
	// The provider reads the variables of sampling, batches and limits.
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(attributes),
		sdktrace.WithSpanProcessor(counts), sdktrace.WithBatcher(&countingExporter{exporter, counts}))
	restore := Use(provider.Tracer(scope))
	return func(ctx context.Context) error {
		restore()
		return provider.Shutdown(ctx)
	}, nil
}

// ExportConfigured reports whether an environment asks for an export of traces. get returns the value of a variable, ""
// if it is not set.
func ExportConfigured(get func(variable string) string) bool {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") || get("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func newExporter(ctx context.Context) (*otlptrace.Exporter, error) {
	switch protocol := protocolFor("TRACES"); protocol {
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, unknownProtocol(protocol)
	}
}

// spanCounts counts spans. As a span processor it counts those that have ended.
type spanCounts struct{ ended, exported, failed prometheus.Counter }

func newSpanCounts(reg prometheus.Registerer) *spanCounts {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "telemetry_spans_total",
		Help: "Recorded spans, by what became of them. Those that ended and were neither exported nor failed were " +
			"dropped because the queue was full, or are in the queue.",
	}, []string{"outcome"})
	reg.MustRegister(spans)
	return &spanCounts{
		spans.WithLabelValues("ended"), spans.WithLabelValues("exported"), spans.WithLabelValues("failed"),
	}
}

// OnStart implements sdktrace.SpanProcessor.
func (*spanCounts) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (c *spanCounts) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Inc()
	}
}

// Shutdown implements sdktrace.SpanProcessor.
func (*spanCounts) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (*spanCounts) ForceFlush(context.Context) error { return nil }

// countingExporter counts the spans that an exporter exports.
type countingExporter struct {
	sdktrace.SpanExporter
	counts *spanCounts
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *countingExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.counts.failed.Add(float64(len(spans)))
	} else {
		e.counts.exported.Add(float64(len(spans)))
	}
	return err
}

// exportErrors logs the errors of the export, at most one a minute: a collector that is away makes one every few
// seconds.
type exportErrors struct {
	log  zerolog.Logger
	last atomic.Int64 // Unix time in seconds
}

// Handle implements otel.ErrorHandler.
func (e *exportErrors) Handle(err error) {
	now := time.Now().Unix()
	if last := e.last.Load(); now-last >= 60 && e.last.CompareAndSwap(last, now) {
		e.log.Warn().Err(err).Msg("cannot export telemetry")
	}
}

// Use makes a tracer the tracer of the service, until the function that it returns is called. Tests use it: see
// telemetrytest.
func Use(t trace.Tracer) (restore func()) {
	before := current.Swap(&t)
	return func() { current.Store(before) }
}
