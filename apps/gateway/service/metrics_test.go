package service_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry/telemetrytest"
)

var refusal = regexp.MustCompile(`(?m)^requests_refused_total\{reason="([^"]+)"\} (\d+)$`)

// refused returns how many requests the gateway has refused, by reason, without the reasons that it had none for.
func (g *testGateway) refused(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, found := range refusal.FindAllStringSubmatch(g.ask("/metrics").Body.String(), -1) {
		n, err := strconv.Atoi(found[2])
		require.NoError(t, err)
		if n > 0 {
			counts[found[1]] = n
		}
	}
	return counts
}

// Each refusal counts once, with its reason. TestSlowBodiesAreRefused and TestConcurrentRequestsToAnAppAreLimited count
// those of slow bodies and of places.
func TestRefusalsAreCountedByReason(t *testing.T) {
	nested := strings.Repeat("[", 1000)
	for reason, refuse := range map[string]func(t *testing.T, g *testGateway) int{
		"rate-limit": func(t *testing.T, g *testGateway) int {
			require.Equal(t, 500, burst(t, g, 501, "GET", "/api/v1/products"))
			return 1
		},
		"sign-in-limit": func(t *testing.T, g *testGateway) int {
			require.Equal(t, 60, burst(t, g, 61, "POST", "/api/v1/auth/login"))
			return 1
		},
		"mail-limit": func(t *testing.T, g *testGateway) int {
			refused := 0
			for i := range 1100 {
				user := g.token(t, fmt.Sprint("u", i), time.Now().Add(identity.MaxLife))
				if g.send("POST", "/api/v1/me/email", "{}", "Authorization", "Bearer "+user).Code == 429 {
					refused++
				}
			}
			return refused
		},
		"malformed": func(_ *testing.T, g *testGateway) int {
			g.send("GET", "/api/v1/products/..", "")
			g.send("GET", "/api/v1/products/", "")
			g.send("GET", "/api/v1/products?%zz", "")
			g.send("POST", "/api/v1/carts", "{}", "Content-Encoding", "gzip")
			g.send("POST", "/api/v1/carts", nested)
			return 5
		},
		"body-too-large": func(_ *testing.T, g *testGateway) int {
			g.send("POST", "/api/v1/carts", strings.Repeat("x", 1<<20+1))
			return 1
		},
		"invalid-token": func(_ *testing.T, g *testGateway) int {
			g.send("GET", "/api/v1/me", "", "Authorization", "Bearer forged")
			g.send("GET", "/api/v1/me", "", "Authorization", "Basic x")
			return 2
		},
		"not-allowed": func(_ *testing.T, g *testGateway) int {
			g.send("PATCH", "/api/v1/me", "{}")
			g.send("PATCH", "/api/v1/me", "") // the app decides
			return 1
		},
		"read-only": func(t *testing.T, g *testGateway) int {
			admin := "Bearer " + g.token(t, "admin", time.Now().Add(identity.MaxLife), identity.Admin)
			w := g.send("PUT", "/api/v1/read-only", `{"readOnly":true}`, "Authorization", admin,
				"Content-Type", "application/json")
			require.Equal(t, http.StatusOK, w.Code)
			g.send("POST", "/api/v1/carts", "{}")
			return 1
		},
		"breaker": func(_ *testing.T, g *testGateway) int {
			g.mesh.Join("cart", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("down") }))
			for range 20 {
				g.send("GET", "/api/v1/carts/c", "")
			}
			return 15 // five failures open it
		},
		"throttler": func(_ *testing.T, g *testGateway) (refused int) {
			received := 0
			g.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				received++
				w.WriteHeader(http.StatusServiceUnavailable)
			}))
			for range 60 {
				g.send("POST", "/api/v1/auth/login", "{}")
			}
			return 60 - received
		},
		"caller-share": func(t *testing.T, g *testGateway) int {
			release := make(chan struct{})
			g.mesh.Join("orders", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
			for range 100 {
				go g.send("GET", "/api/v1/orders", "")
			}
			synctest.Wait()
			require.Equal(t, http.StatusTooManyRequests, g.send("GET", "/api/v1/orders", "").Code)
			close(release)
			return 1
		},
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time stands still
				g := newTestGatewayWith(t, service.Config{RateLimit: true, CallerShare: 10}, memory.NewState())
				joinEcho(g)
				want := refuse(t, g)
				require.Positive(t, want)
				require.Equal(t, map[string]int{reason: want}, g.refused(t))
			})
		})
	}
}

// Nothing that a client sends becomes a label of a metric: neither methods, paths, queries and headers, nor traces.
func TestHostileValuesMakeNoNewSeries(t *testing.T) {
	telemetrytest.Record(t)
	g := newTestGatewayWith(t, service.Config{CacheMegabytes: 1, CORSOrigins: []string{"https://shop.test"}},
		memory.NewState())
	joinEcho(g)
	series := func(from, to int) []string {
		for i := from; i < to; i++ {
			odd, trace := fmt.Sprintf("odd%d", i), fmt.Sprintf("00-0ddba11%025x-0ddba11%09x-01", i+1, i+1)
			hostile := []string{
				"Host", odd, "User-Agent", odd, "X-Request-Id", odd, "Accept", odd, "Accept-Language", odd,
				"Last-Event-ID", odd, "Idempotency-Key", odd, "If-Match", odd, "If-None-Match", odd, "X-Order-Token", odd,
				"X-Forwarded-For", odd, "Forwarded", odd, "Via", odd, "dapr-app-id", odd, "dapr-caller-app-id", odd,
				"dapr-api-token", odd, "baggage", odd + "=" + odd, "tracestate", odd + "=" + odd, "X-Http-Method-Override", odd,
			}
			for _, method := range []string{odd, strings.ToUpper(odd), "get", "PROPFIND", "TRACE", "CONNECT", "OPTIONS"} {
				g.send(method, "/api/v1/products", "", hostile...)
				g.send(method, "/"+odd, "", hostile...)
			}
			for _, path := range []string{
				"/" + odd, "/" + odd + "/..", "/%6fdd" + strconv.Itoa(i), "/api/v1/products/" + odd, "/media/" + odd,
				"/api/v1/orders/" + odd, "/api/v1/orders/" + odd + "/stream", "/api/v1/dead-letters/" + odd, "/metrics/" + odd,
				"/debug/pprof/" + odd, "/v1.0/invoke/" + odd + "/method/" + odd, "/internal/" + odd, "/events/" + odd,
			} {
				g.send("GET", path+"?"+odd+"="+odd, "", append(slices.Clone(hostile), "traceparent", trace)...)
				g.send("POST", path, odd, "Content-Type", odd, "Content-Encoding", odd, "traceparent", odd)
			}
			g.send("GET", "/api/v1/me", "", "Authorization", odd)
			g.send("OPTIONS", "/api/v1/me", "", "Origin", "https://"+odd+".test", "Access-Control-Request-Method", odd,
				"Access-Control-Request-Headers", odd)
		}
		request := g.ask("/metrics", "Accept", "application/openmetrics-text; version=1.0.0")
		require.Contains(t, request.Body.String(), "trace_id", "the requests are recorded")
		require.NotContains(t, strings.ToLower(request.Body.String()), "odd")
		require.NotContains(t, request.Body.String(), "0ddba11", "a stranger's trace is no exemplar")
		var names []string
		for line := range strings.Lines(request.Body.String()) {
			if name, _, _ := strings.Cut(line, " "); name != "#" {
				names = append(names, name)
			}
		}
		return names
	}
	before := series(0, 5)
	for _, metric := range []string{
		"http_request_duration_seconds_", "sidecar_call_duration_seconds_", "requests_refused_total",
		"http_cache_requests_total", "gateway_places_in_use",
	} {
		require.True(t, slices.ContainsFunc(before, func(s string) bool { return strings.HasPrefix(s, metric) }), metric)
	}
	require.Equal(t, before, series(5, 200))
}
