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

// An app that has room for a few sign-ins a second is asked for about twice as many, however many there are; one that
// has room for all is asked for all, at once or within seconds of a rush.
func TestWhatAnAppIsTooBusyForIsRefusedAtTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, service.Config{RateLimit: "off"})
		asked, room := 0, 1000
		s.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked > room {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		second := func(path string) (refused int) { // 200 requests
			asked = 0
			for range 200 {
				w := s.ask("POST", path, "{}")
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
		room = 20
		for range 20 {
			second("/api/v1/auth/login")
		}
		many := 0
		for range 10 {
			require.InDelta(t, 180, second("/api/v1/auth/login"), 10, "all that there is room for is taken")
			many += asked
		}
		require.InDelta(t, 400, many, 120)
		p := requireProblem(t, http.StatusServiceUnavailable, "unavailable", refusedOne(s))
		require.NotNil(t, p["detail"])

		room = 1000
		require.Zero(t, second("/api/v1/auth/refresh"), "others do not suffer")
		for range 5 {
			second("/api/v1/auth/login")
		}
		require.Less(t, second("/api/v1/auth/login"), 10)
		time.Sleep(time.Minute)
		require.Zero(t, second("/api/v1/auth/login"))
	})
}

// Sign-ins that the app takes its time for, and a few that it refuses, keep nobody out.
func TestWhoIsStillServedKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, service.Config{RateLimit: "off"})
		var arrived atomic.Int64
		status := http.StatusOK
		s.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrived.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
		}))
		all := func(n int) {
			var done sync.WaitGroup
			for range n {
				done.Go(func() { s.ask("POST", "/api/v1/auth/login", "{}") })
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

// refusedOne repeats a sign-in until it is refused.
func refusedOne(s *shop) (w *httptest.ResponseRecorder) {
	for {
		if w = s.ask("POST", "/api/v1/auth/login", "{}"); w.Header().Get("Retry-After") == "2" {
			return w
		}
	}
}
