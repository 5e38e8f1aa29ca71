package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"haberdash/internal/telemetry"
)

func TestTheRegistryTellsTheBuild(t *testing.T) {
	t.Parallel()
	reg := telemetry.NewRegistry()
	n, err := testutil.GatherAndCount(reg, "build_info", "go_goroutines", "process_start_time_seconds")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Equal(t, "build_info", families[0].GetName())
	labels := map[string]string{}
	for _, l := range families[0].GetMetric()[0].GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	require.Equal(t, runtime.Version(), labels["go_version"])
	require.NotEmpty(t, labels["version"])
}

// exportMetrics starts the export of a registry to a collector.
func exportMetrics(t *testing.T, endpoint, interval string) (
	reg *prometheus.Registry, stop func(context.Context) error,
) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", interval)
	reg = prometheus.NewRegistry()
	stop, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), reg)
	require.NoError(t, err)
	return reg, stop
}

// received returns the metrics in the body of an export by name, and the name of the service.
func received(t *testing.T, r *http.Request) (service string, named map[string]*metrics.Metric) {
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(bytes.NewReader(body))
		require.NoError(t, err)
		body, err = io.ReadAll(unzipped)
		require.NoError(t, err)
	}
	var export collector.ExportMetricsServiceRequest
	require.NoError(t, proto.Unmarshal(body, &export))
	named = map[string]*metrics.Metric{}
	for _, resource := range export.GetResourceMetrics() {
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeMetrics() {
			for _, m := range scope.GetMetrics() {
				named[m.GetName()] = m
			}
		}
	}
	return service, named
}

func TestMetricsAreExported(t *testing.T) {
	var mu sync.Mutex
	var service string
	var last map[string]*metrics.Metric
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/metrics", r.URL.Path)
		mu.Lock()
		defer mu.Unlock()
		service, last = received(t, r)
	}))
	defer server.Close()
	reg, stop := exportMetrics(t, server.URL, "10")
	mails := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mails_total", Help: "Mails."}, []string{"outcome"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "wait_seconds", Help: "Waits.",
		Buckets: []float64{1, 2}})
	reg.MustRegister(mails, seconds)
	mails.WithLabelValues("sent").Add(3)
	seconds.Observe(1.5)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return last["mails_total"] != nil && last["wait_seconds"] != nil
	}, time.Minute, time.Millisecond, "an export at each interval")
	mails.WithLabelValues("sent").Inc()
	require.NoError(t, stop(t.Context()))
	require.Equal(t, "orders", service)
	sent := last["mails_total"].GetSum().GetDataPoints()
	require.Len(t, sent, 1, "the last metrics are exported")
	require.InDelta(t, 4, sent[0].GetAsDouble(), 0)
	require.Equal(t, "outcome", sent[0].GetAttributes()[0].GetKey())
	require.EqualValues(t, []uint64{0, 1, 0}, last["wait_seconds"].GetHistogram().GetDataPoints()[0].GetBucketCounts())
}

// A collector that refuses, hangs or is not there holds up neither the service nor its end.
func TestTheServiceDoesNotWaitForTheCollectorOfMetrics(t *testing.T) {
	for _, name := range []string{"refuses", "hangs", "absent"} {
		t.Run(name, func(t *testing.T) {
			ended, asked := make(chan struct{}), make(chan struct{}, 1000)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				select {
				case asked <- struct{}{}:
				default:
				}
				if name == "hangs" {
					<-ended
				}
				w.WriteHeader(http.StatusBadRequest)
			}))
			if name == "absent" {
				server.Close()
			}
			defer server.Close()
			defer close(ended)
			reg, stop := exportMetrics(t, server.URL, "1")
			if name != "absent" {
				<-asked // an export is under way, or has failed
			}
			counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "steps_total", Help: "Steps."})
			reg.MustRegister(counter)
			for range 1000 {
				counter.Inc()
			}
			require.InDelta(t, 1000, testutil.ToFloat64(counter), 0)
			_, err := reg.Gather()
			require.NoError(t, err, "a scrape does not wait for an export")
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			require.Error(t, stop(ctx), "the last metrics are lost, and the service ends")
		})
	}
}

func TestMetricsAreExportedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	const collector = "http://127.0.0.1:1"
	for name, c := range map[string]struct {
		vars map[string]string
		want bool
	}{
		"nothing":      {map[string]string{}, false},
		"a collector":  {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector}, false},
		"no collector": {map[string]string{"OTEL_METRICS_EXPORTER": "otlp"}, false},
		"another exporter": {map[string]string{
			"OTEL_METRICS_EXPORTER": "console", "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
		}, false},
		"both": {map[string]string{
			"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
		}, true},
		"its own collector": {map[string]string{
			"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": collector + "/v1/metrics",
		}, true},
		"sdk off": {map[string]string{
			"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_SDK_DISABLED": "TRUE",
		}, false},
	} {
		require.Equal(t, c.want, telemetry.MetricsExportConfigured(func(v string) string { return c.vars[v] }), name)
	}
}

func TestAnUnknownProtocolOfMetricsIsRefused(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_METRICS_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "carrier-pigeon")
	_, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), prometheus.NewRegistry())
	require.ErrorContains(t, err, "the protocol carrier-pigeon is unknown: the choices are http/protobuf, grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc")
	stop, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), prometheus.NewRegistry())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = stop(ctx)
}
