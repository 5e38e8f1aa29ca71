package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/telemetry"
)

// spansOf returns how many spans had an outcome.
func spansOf(t *testing.T, reg prometheus.Gatherer, outcome string) int {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "telemetry_spans_total" && m.GetLabel()[0].GetValue() == outcome {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	t.Fatalf("no spans %s", outcome)
	return 0
}

func startExport(t *testing.T, endpoint string) (reg *prometheus.Registry, stop func(context.Context) error) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "50")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
	reg = prometheus.NewRegistry()
	stop, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), reg)
	require.NoError(t, err)
	return reg, stop
}

func record(t *testing.T, n int) {
	for range n {
		_, span := telemetry.Enter(t.Context(), "request", telemetry.Entry{})
		require.True(t, span.IsRecording())
		span.End()
	}
}

func TestSpansAreExportedAndCounted(t *testing.T) {
	var requests atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/traces", r.URL.Path)
		requests.Add(1)
	}))
	defer collector.Close()
	reg, stop := startExport(t, collector.URL)
	record(t, 20)
	require.NoError(t, stop(t.Context()), "the last spans are exported")
	require.Positive(t, requests.Load())
	require.Equal(t, 20, spansOf(t, reg, "ended"))
	require.Equal(t, 20, spansOf(t, reg, "exported"))
	require.Equal(t, 0, spansOf(t, reg, "failed"))
}

// A collector that refuses, hangs or is not there does not hold the service up, although there are more spans than
// places in the queue.
func TestTheServiceDoesNotWaitForTheCollector(t *testing.T) {
	for _, name := range []string{"refuses", "hangs", "absent"} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if name == "hangs" {
					<-ended
				}
				w.WriteHeader(http.StatusBadRequest)
			}))
			if name == "absent" {
				collector.Close()
			}
			defer collector.Close()
			defer close(ended)
			reg, stop := startExport(t, collector.URL)
			record(t, 1000)
			require.Equal(t, 1000, spansOf(t, reg, "ended"))
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_ = stop(ctx)
			require.Equal(t, 0, spansOf(t, reg, "exported"))
		})
	}
}

func TestNothingIsExportedWithoutACollector(t *testing.T) {
	for name, vars := range map[string]map[string]string{
		"none":    {},
		"sdk off": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		"no type": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
			t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
			for variable, value := range vars {
				t.Setenv(variable, value)
			}
			reg := prometheus.NewRegistry()
			stop, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), reg)
			require.NoError(t, err)
			_, span := telemetry.Enter(t.Context(), "request", telemetry.Entry{})
			require.False(t, span.IsRecording())
			span.End()
			require.NoError(t, stop(t.Context()))
			n, err := testutil.GatherAndCount(reg)
			require.NoError(t, err)
			require.Positive(t, n, "the counters are there, at 0")
		})
	}
}

func TestAnUnknownProtocolIsRefused(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon")
	_, err := telemetry.StartExport(t.Context(), "orders", zerolog.Nop(), prometheus.NewRegistry())
	require.ErrorContains(t, err, "the protocol carrier-pigeon is unknown: the choices are http/protobuf, grpc")
}
