package service_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/host"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/telemetry"
)

// BenchmarkCachedRead measures a read that the cache answers, without the network and without a line in the log.
func BenchmarkCachedRead(b *testing.B) { benchmarkCachedRead(b, httpserver.LogErrors, io.Discard) }

// BenchmarkCachedReadLogged is BenchmarkCachedRead with a line for each request, which nobody writes.
func BenchmarkCachedReadLogged(b *testing.B) { benchmarkCachedRead(b, httpserver.LogAll, io.Discard) }

// BenchmarkCachedReadLoggedToFile writes the lines into a file.
func BenchmarkCachedReadLoggedToFile(b *testing.B) {
	file, err := os.Create(filepath.Join(b.TempDir(), "gateway.log"))
	require.NoError(b, err)
	defer file.Close()
	benchmarkCachedRead(b, httpserver.LogAll, file)
}

func benchmarkCachedRead(b *testing.B, requests httpserver.RequestLog, log io.Writer) {
	g := newTestGatewayLogging(b, service.Config{CacheMegabytes: 1, Requests: requests}, nil,
		telemetry.NewLogger(log, "gateway", "info"))
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, strings.Repeat("x", 2000))
	}))
	r := httptest.NewRequest("GET", "/api/v1/products/hat", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkForwardedRead measures a read that is not cached, over sockets: from a client through the gateway to a bare
// handler, which stands in for the sidecar.
func BenchmarkForwardedRead(b *testing.B) {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=1")
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, strings.Repeat("x", 2000))
	}))
	defer behind.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(behind.URL, "http://"), ":")
	n, err := strconv.Atoi(port)
	require.NoError(b, err)
	client, err := daprd.New(daprd.Options{HTTPPort: n, GRPCPort: 1})
	require.NoError(b, err)
	defer client.Close()
	g, err := service.New(service.Deps{
		Config: service.Config{CacheMegabytes: 1}, Invoker: client, Log: zerolog.Nop(),
	})
	require.NoError(b, err)
	server := httpserver.New(host.PublicServerOptions(
		httpserver.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()}))
	g.Mount(server, client.Healthy)
	front := httptest.NewServer(server.Router)
	defer front.Close()
	b.ReportAllocs()
	for b.Loop() {
		req, _ := http.NewRequest("GET", front.URL+"/api/v1/products/hat", nil)
		req.Header.Set("Cache-Control", "no-cache")
		res, err := front.Client().Do(req)
		require.NoError(b, err)
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// BenchmarkSignIn measures the path with the most protection, without the network: adaptive throttler, concurrency
// limit and circuit breaker.
func BenchmarkSignIn(b *testing.B) {
	g := newTestGateway(b, service.Config{})
	g.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/api/v1/auth/login", strings.NewReader("{}"))
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != http.StatusNoContent {
			b.Fatal(w.Code)
		}
	}
}
