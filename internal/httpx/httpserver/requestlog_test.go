package httpserver_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/telemetry"
)

// logging returns a server that logs into out. Its route answers the status in its path.
func logging(out *bytes.Buffer, level string) *httpserver.Server {
	s := httpserver.New(httpserver.Options{
		Log: telemetry.NewLogger(out, "gateway", level), Registry: prometheus.NewRegistry(), Public: true,
	})
	statuses := map[string]int{"200": 200, "404": 404, "429": 429, "500": 500, "503": 503}
	s.Router.Get("/things/{status}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(statuses[chi.URLParam(r, "status")])
		_, _ = w.Write([]byte("four"))
	})
	return s
}

func TestEachRequestHasALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := logging(&out, "info")
	s.LogRequests(httpserver.LogAll)
	w := get(s.Router, "/things/404?email=ada@example.test", "X-Request-Id", "r1", "Authorization", "Bearer secret",
		"User-Agent", "secret", "Cookie", "secret")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Positive(t, line["event.duration"])
	require.NotEmpty(t, line["@timestamp"])
	delete(line, "event.duration")
	delete(line, "@timestamp")
	parent := strings.Split(w.Header().Get("traceparent"), "-")
	require.Equal(t, map[string]any{
		"ecs.version": "8.17.0", "log.level": "info", "message": "request", "service.name": "gateway",
		"trace.id": parent[1], "span.id": parent[2], "http.request.id": "r1", "http.request.method": "GET",
		"http.response.status_code": 404.0, "http.response.body.bytes": 4.0, "haberdash.route": "/things/{status}",
	}, line, "nothing that a client has sent, but the id of the request")
	out.Reset()
	get(s.Router, "/things/500")
	require.Contains(t, out.String(), `"log.level":"warn"`)
}

func TestTheSettingChoosesWhichRequestsAreLogged(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"on": "200 500", "errors": "500", "off": ""} {
		var out bytes.Buffer
		var choice httpserver.RequestLog
		require.NoError(t, choice.UnmarshalText([]byte(setting)))
		s := logging(&out, "info")
		s.LogRequests(choice)
		for _, path := range []string{"/things/200", "/things/500", "/healthz", "/readyz"} {
			get(s.Router, path)
		}
		require.Equal(t, want, strings.Join(statusesIn(t, out.String()), " "), setting)
	}
	var out bytes.Buffer
	get(logging(&out, "debug").Router, "/healthz")
	require.Equal(t, []string{"200"}, statusesIn(t, out.String()), "a probe has a line at debug level")
	require.Error(t, new(httpserver.RequestLog).UnmarshalText([]byte("all")))
}

func TestAFloodOfRefusedRequestsHasFewLines(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/things/429", "/things/503"} {
		var out bytes.Buffer
		s := logging(&out, "info")
		s.LogRequests(httpserver.LogAll)
		for range 5_000 { // within a few seconds, of which each has 50 lines
			get(s.Router, path)
		}
		refused := len(statusesIn(t, out.String()))
		require.GreaterOrEqual(t, refused, 50)
		require.Less(t, refused, 2_500)
		get(s.Router, "/things/200")
		require.Len(t, statusesIn(t, out.String()), refused+1, "others are logged")
	}
}

// statusesIn returns the statuses in the lines of a log.
func statusesIn(t *testing.T, log string) (statuses []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var l map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		statuses = append(statuses, string(l["http.response.status_code"]))
	}
	return statuses
}

// discard counts what it gets, as a file would.
type discard struct{ n int }

func (d *discard) Write(p []byte) (int, error) {
	d.n += len(p)
	return len(p), nil
}

// BenchmarkRequest measures what the line of a request costs: compare on with errors.
func BenchmarkRequest(b *testing.B) {
	for _, choice := range []httpserver.RequestLog{httpserver.LogErrors, httpserver.LogAll} {
		b.Run(string(choice), func(b *testing.B) {
			var out discard
			s := httpserver.New(httpserver.Options{
				Log: telemetry.NewLogger(&out, "gateway", "info"), Registry: prometheus.NewRegistry(), Public: true,
			})
			s.LogRequests(choice)
			s.Router.Get("/x", func(http.ResponseWriter, *http.Request) {})
			r, w := httptest.NewRequest(http.MethodGet, "/x", nil), httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				s.Router.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(out.n)/float64(b.N), "log-bytes/op")
		})
	}
}
