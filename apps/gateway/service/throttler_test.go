package service_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
)

// An app that can serve 20 sign-ins a second receives about twice as many, however many there are. An app that can
// serve all receives all, at once or within seconds after an overload.
func TestThrottlerRefusesWhatAnOverloadedAppWouldRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{})
		received, capacity := 0, 1000
		g.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if received++; received > capacity {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		second := func(path string) (refused int) { // 200 requests
			received = 0
			for range 200 {
				w := g.send("POST", path, "{}")
				if w.Code != http.StatusOK {
					require.Equal(t, http.StatusServiceUnavailable, w.Code)
					refused++
				}
				time.Sleep(time.Second / 200)
			}
			return refused
		}
		for range 10 {
			require.Zero(t, second("/api/v1/auth/login"))
		}
		capacity = 20
		for range 20 {
			second("/api/v1/auth/login")
		}
		forwarded := 0
		for range 10 {
			require.InDelta(t, 180, second("/api/v1/auth/login"), 10, "the app serves as many as it can")
			forwarded += received
		}
		require.InDelta(t, 400, forwarded, 120)
		p := requireProblem(t, http.StatusServiceUnavailable, "unavailable", throttledAnswer(g))
		require.NotNil(t, p["detail"])

		capacity = 1000
		require.Zero(t, second("/api/v1/auth/refresh"), "other routes are not throttled")
		for range 5 {
			second("/api/v1/auth/login")
		}
		require.Less(t, second("/api/v1/auth/login"), 10)
		time.Sleep(time.Minute)
		require.Zero(t, second("/api/v1/auth/login"))
	})
}

// Slow sign-ins, and a few that the app refuses, are no overload.
func TestThrottlerForwardsSignInsToAnAppThatIsOnlySlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{})
		var arrived atomic.Int64
		status := http.StatusOK
		g.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
		}))
		all := func(n int) {
			var done sync.WaitGroup
			for range n {
				done.Go(func() { g.send("POST", "/api/v1/auth/login", "{}") })
			}
			done.Wait()
			require.EqualValues(t, n, arrived.Swap(0))
		}
		all(100)
		time.Sleep(time.Minute)
		status = http.StatusServiceUnavailable
		all(10)
		all(10)
	})
}

// throttledAnswer repeats a sign-in until the throttler refuses it, and returns the answer.
func throttledAnswer(g *testGateway) (w *httptest.ResponseRecorder) {
	for {
		if w = g.send("POST", "/api/v1/auth/login", "{}"); w.Header().Get("Retry-After") == "2" {
			return w
		}
	}
}
