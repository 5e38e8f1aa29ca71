package httpserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
)

func newServer(o httpserver.Options) *httpserver.Server {
	o.Log, o.Registry = zerolog.Nop(), prometheus.NewRegistry()
	return httpserver.New(o)
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOnlyTheSidecarMayCallTheService(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{AppToken: "s3cret"})
	s.Router.Get("/x", func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, http.StatusUnauthorized, get(s.Router, "/x").Code)
	require.Equal(t, http.StatusUnauthorized, get(s.Router, "/x", "dapr-api-token", "s3cre").Code)
	require.Equal(t, http.StatusOK, get(s.Router, "/x", "dapr-api-token", "s3cret").Code)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		require.Equal(t, http.StatusOK, get(s.Router, path).Code, path)
	}
}

func TestPanicsAndUnknownAddressesBecomeProblems(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	s.Router.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("secret") })
	for _, c := range []struct {
		path   string
		status int
	}{{"/panic", http.StatusInternalServerError}, {"/nowhere", http.StatusNotFound}} {
		w := get(s.Router, c.path)
		require.Equal(t, c.status, w.Code)
		require.Contains(t, w.Body.String(), httpx.ProblemBase)
		require.NotContains(t, w.Body.String(), "secret")
	}
}

func TestMetricsAreLabelledWithRoutes(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	s.Router.Get("/things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	get(s.Router, "/things/secret-id")
	get(s.Router, "/nowhere/secret-id")
	for i := range 3 { // a client may invent methods
		r := httptest.NewRequest(fmt.Sprint("INVENTED", i), "/things/a", nil)
		s.Router.ServeHTTP(httptest.NewRecorder(), r)
	}
	metrics := get(s.Router, "/metrics").Body.String()
	require.Contains(t, metrics, `route="/things/{id}",status="418"`)
	require.Contains(t, metrics, `route="unmatched",status="404"`)
	require.NotContains(t, metrics, "secret-id")
	require.Contains(t, metrics, `http_request_duration_seconds_count{method="other",route="unmatched",status="405"} 3`)
	require.NotContains(t, metrics, "INVENTED")
}

func TestHealthzReportsAFailedCheck(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	var failure error
	s.Alive(func() error { return failure })
	require.Equal(t, http.StatusOK, get(s.Router, "/healthz").Code)
	failure = errors.New("deadlock")
	w := get(s.Router, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"status":"deadlock"}`, w.Body.String())
}

func TestProbesMayUseHEAD(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	for _, path := range []string{"/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		s.Router.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
	}
}

func TestReadyzNamesTheFailedChecks(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	s.Ready("state", func(context.Context) error { return nil })
	require.Equal(t, http.StatusOK, get(s.Router, "/readyz").Code)
	s.Ready("broker", func(context.Context) error { return errors.New("down") })
	w := get(s.Router, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"status":"Service Unavailable","checks":{"state":"ok","broker":"down"}}`, w.Body.String())
}

func TestAWarningDoesNotMakeAServiceUnready(t *testing.T) {
	t.Parallel()
	s := newServer(httpserver.Options{})
	s.Ready("documents", func(context.Context) error { return fmt.Errorf("log: %w", httpserver.Warning("one set aside")) })
	w := get(s.Router, "/readyz")
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"status":"OK","checks":{"documents":"log: one set aside"}}`, w.Body.String())
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newServer(httpserver.Options{Address: "127.0.0.1:0"})
	require.NoError(t, s.Run(ctx))
	w := get(s.Router, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "draining")
	require.Error(t, newServer(httpserver.Options{Address: "256.0.0.1:1"}).Run(t.Context()))
}

// With LeaveTime, a server whose context has ended still serves, and asks clients to close their connections.
func TestAServerThatShutsDownStillServesForLeaveTime(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := newServer(httpserver.Options{LeaveTime: 24 * time.Hour})
	ctx, end := context.WithCancel(t.Context())
	go func() { _ = s.Serve(ctx, listener) }() // ends with the test's process
	url := "http://" + listener.Addr().String()
	request := func(path string) *http.Response {
		res, err := http.Get(url + path)
		require.NoError(t, err)
		res.Body.Close()
		return res
	}
	require.False(t, request("/healthz").Close)
	end()
	require.Eventually(t, func() bool { return request("/readyz").StatusCode == http.StatusServiceUnavailable },
		10*time.Second, time.Millisecond)
	res := request("/healthz")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, res.Close, "the client needs another connection for its next request")
}
