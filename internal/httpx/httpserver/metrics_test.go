package httpserver_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/telemetry/telemetrytest"
)

const openMetrics = "application/openmetrics-text; version=1.0.0"

// The exemplar of a duration leads to the trace of a request that took so long.
func TestARecordedRequestIsAnExemplar(t *testing.T) {
	s := newServer(httpserver.Options{})
	s.Router.Get("/things/{id}", func(http.ResponseWriter, *http.Request) {})
	get(s.Router, "/things/1")
	require.NotContains(t, get(s.Router, "/metrics", "Accept", openMetrics).Body.String(), "trace_id")
	telemetrytest.Record(t)
	trace := get(s.Router, "/things/1").Header().Get("traceparent")
	w := get(s.Router, "/metrics", "Accept", openMetrics)
	require.Contains(t, w.Header().Get("Content-Type"), "application/openmetrics-text")
	require.Regexp(t,
		`http_request_duration_seconds_bucket\{method="GET",route="/things/\{id\}",status="200",le="[^"]+"\} 2 `+
			`# \{trace_id="`+trace[3:35]+`"\}`, w.Body.String())
	require.Contains(t, w.Body.String(), "# EOF")
	require.NotContains(t, get(s.Router, "/metrics").Body.String(), "trace_id", "the default format has no exemplars")
}

func TestReadinessIsAMetric(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	var failure error
	asked := 0
	s.Ready("sidecar", func(context.Context) error { asked++; return failure })
	s.ReadyLocally("log", func(context.Context) error { return failure })
	metrics := func() string { return get(s.Router, "/metrics").Body.String() }
	require.Contains(t, metrics(), `ready{check="log"} 1`)
	require.NotContains(t, metrics(), `ready{check="sidecar"}`, "not known before the first probe")
	require.Zero(t, asked, "a scrape asks no other process")
	get(s.Router, "/readyz")
	require.Contains(t, metrics(), `ready{check="sidecar"} 1`)
	failure = errors.New("down")
	require.Contains(t, metrics(), `ready{check="log"} 0`)
	require.Contains(t, metrics(), `ready{check="sidecar"} 1`, "the last result")
	get(s.Router, "/readyz")
	require.Contains(t, metrics(), `ready{check="sidecar"} 0`)
	failure = httpserver.Warning("one set aside")
	get(s.Router, "/readyz")
	require.Contains(t, metrics(), `ready{check="log"} 1`, "a warning does not make a service unready")
	require.Equal(t, 3, asked)
}

func TestReadinessIsAMetricWithoutProbes(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	var down atomic.Bool
	s.Ready("sidecar", func(context.Context) error {
		if down.Load() {
			return errors.New("down")
		}
		return nil
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.RefreshReadiness(ctx, time.Millisecond)
	}()
	shows := func(line string) func() bool {
		return func() bool { return strings.Contains(get(s.Router, "/metrics").Body.String(), line) }
	}
	require.Eventually(t, shows(`ready{check="sidecar"} 1`), 10*time.Second, time.Millisecond)
	down.Store(true)
	require.Eventually(t, shows(`ready{check="sidecar"} 0`), 10*time.Second, time.Millisecond)
	stop()
	<-ended
}

func TestAServerThatServesRunsItsChecks(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	asked := make(chan struct{}, 1)
	s.Ready("sidecar", func(context.Context) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil
	})
	serve(t, s)
	<-asked
}
