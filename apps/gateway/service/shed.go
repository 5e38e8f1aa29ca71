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
// nothing for it. Once the app refuses many, it lets through twice as many as were served of late, and so finds out within
// seconds that there is room again (client-side throttling: Site Reliability Engineering, O'Reilly 2016, chapter 21). What
// is still under way counts for nothing: an app that takes its time has not refused.
type valve struct {
	now func() time.Time

	mu               sync.Mutex
	looked           time.Time // when the counts were last looked at
	answered, served float64   // of late: what is past counts less and less
}

const (
	valveMemory = 2 * time.Second // in which a count falls to a third
	valveSlack  = 2               // so many times what was served is let through
	valveFree   = 10              // so many refusals more are no crowd
)

// fade is for who holds the lock.
func (v *valve) fade() {
	now := v.now()
	part := math.Exp(-now.Sub(v.looked).Seconds() / valveMemory.Seconds())
	v.looked, v.answered, v.served = now, v.answered*part, v.served*part
}

// enter tells whether a request may pass; one that may not is counted as refused.
func (v *valve) enter() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fade()
	if rand.Float64() >= (v.answered-valveSlack*v.served-valveFree)/(v.answered+1) {
		return true
	}
	v.answered++
	return false
}

// answer counts the app's.
func (v *valve) answer(served bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fade()
	v.answered++
	if served {
		v.served++
	}
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
		v.answer(answer.Status() != http.StatusServiceUnavailable)
	})
}
