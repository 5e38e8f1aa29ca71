package service

import (
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// A valve refuses here what an app too busy for it would refuse there, which costs a tenth: two sidecars and the app do
// nothing for it. It lets through twice as many requests as were taken of late, so it never refuses what there is room
// for, and finds out within seconds that there is room again (client-side throttling: Site Reliability Engineering,
// O'Reilly 2016, chapter 21).
type valve struct {
	now func() time.Time

	mu               sync.Mutex
	asked            time.Time // when the counts were last looked at
	requests, served float64   // of late: what is past counts less and less
}

const (
	valveMemory = 2 * time.Second // in which a count falls to a third
	valveSlack  = 2               // so many times what was served is let through
)

// enter counts a request, and tells whether it may pass.
func (v *valve) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	fade := math.Exp(-now.Sub(v.asked).Seconds() / valveMemory.Seconds())
	v.asked, v.requests, v.served = now, v.requests*fade, v.served*fade
	refuse := (v.requests - valveSlack*v.served) / (v.requests + 1)
	v.requests++
	return rand.Float64() >= refuse
}

func (v *valve) serve() {
	v.mu.Lock()
	v.served++
	v.mu.Unlock()
}

var errCrowd = fault.New(fault.Unavailable, "unavailable", "Too many people ask for this at once. Try again in a moment.").After(2 * time.Second)

// shed puts a valve before a route. The app says that it is too busy by 503.
func (g *Gateway) shed(next http.Handler) http.Handler {
	v := &valve{now: g.deps.Now}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !v.enter() {
			httpx.WriteProblem(w, errCrowd)
			return
		}
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(answer, r)
		if answer.Status() != http.StatusServiceUnavailable {
			v.serve()
		}
	})
}
