package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

// version is the version of the program, if the build sets it:
// -ldflags "-X haberdash/internal/telemetry.version=v1.2.0".
var version string

// NewRegistry makes a metrics registry with the metrics of the Go runtime, of the process and of the build.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "Always 1. The labels are the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": programVersion(), "go_version": runtime.Version()},
	})
	build.Set(1)
	r.MustRegister(build)
	return r
}

// programVersion returns what the build says about itself, (devel) if it says nothing.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(version, info.Main.Version, "(devel)")
	}
	return cmp.Or(version, "(devel)")
}

// MetricsExportConfigured reports whether an environment asks for an export of metrics. It must ask by
// OTEL_METRICS_EXPORTER=otlp, because Prometheus scrapes the same metrics.
func MetricsExportConfigured(get func(variable string) string) bool {
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") || get("OTEL_METRICS_EXPORTER") != "otlp" {
		return false
	}
	return get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") != ""
}

// startMetricsExport exports what a registry gathers, every OTEL_METRIC_EXPORT_INTERVAL (one minute by default). One
// export at a time is under way, for OTEL_METRIC_EXPORT_TIMEOUT at most, so a collector that is slow or absent costs
// the service nothing. What it misses is in the next export, because counters count from the start of the process.
func startMetricsExport(ctx context.Context, attributes *resource.Resource, reg prometheus.Gatherer,
) (stop func(context.Context) error, err error) {
	exporter, err := newMetricExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP: %w", err)
	}
	reader := sdkmetric.NewPeriodicReader(exporter,
		sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(reg))))
	return sdkmetric.NewMeterProvider(sdkmetric.WithResource(attributes), sdkmetric.WithReader(reader)).Shutdown, nil
}

func newMetricExporter(ctx context.Context) (sdkmetric.Exporter, error) {
	switch protocol := protocolFor("METRICS"); protocol {
	case "http/protobuf":
		return otlpmetrichttp.New(ctx)
	case "grpc":
		return otlpmetricgrpc.New(ctx)
	default:
		return nil, unknownProtocol(protocol)
	}
}

// protocolFor returns the protocol of the collector for a signal, which is TRACES or METRICS.
func protocolFor(signal string) string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"),
		"http/protobuf")
}

func unknownProtocol(protocol string) error {
	return fmt.Errorf("the protocol %s is unknown: the choices are http/protobuf, grpc", protocol)
}
