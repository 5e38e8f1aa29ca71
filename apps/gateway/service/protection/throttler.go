package protection

import (
	"net/http"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivethrottler"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// Throttler is an adaptive throttler for the requests of one route: it refuses at the gateway what an overloaded app
// would refuse, which costs a tenth. While an app refuses most requests, the throttler forwards twice as many as the
// app served lately, and so notices within seconds that the app has capacity again (client-side throttling: Site
// Reliability Engineering, O'Reilly 2016, chapter 21).
//
// A request counts when it is answered, not while it is in progress: a slow app has refused nothing.
// A Throttler is safe for concurrent use.
type Throttler struct {
	refused  prometheus.Counter
	mu       sync.Mutex
	policy   adaptivethrottler.AdaptiveThrottler[any]
	recorded time.Time // when the policy recorded its last outcome
}

const (
	throttlerWindow = 2 * time.Second // the throttler remembers outcomes for so long
	throttlerRate   = 0.5             // the share of refusals from which on it throttles
	// throttlerMinimum is the number of outcomes in the window below which nothing is throttled: a few refusals are
	// no overload.
	throttlerMinimum = 20
)

// NewThrottler returns a throttler that forwards everything until it has seen refusals.
func NewThrottler(refusals Refusals) *Throttler {
	return &Throttler{refused: refusals[Throttled], policy: newThrottlerPolicy(), recorded: time.Now()}
}

func newThrottlerPolicy() adaptivethrottler.AdaptiveThrottler[any] {
	return adaptivethrottler.NewBuilder[any]().
		WithFailureRateThreshold(throttlerRate, throttlerMinimum, throttlerWindow).
		WithMaxRejectionRate(1).
		Build()
}

var errOverload = fault.New(fault.Unavailable, "unavailable",
	"Too many people ask for this at once. Try again in a moment.").After(2 * time.Second)

// Middleware throttles the requests to next, which says by 503 that it is overloaded. Problem: unavailable (503).
func (t *Throttler) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !t.allow() {
			t.refused.Inc()
			httpx.WriteProblem(w, errOverload)
			return
		}
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(answer, r)
		t.record(answer.Status() != http.StatusServiceUnavailable)
	})
}

// allow reports whether a request may be forwarded. A request that may not counts as refused; the library does not
// count it, and would forward more and more requests the more there are.
func (t *Throttler) allow() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	// The library drops old outcomes only when it records a new one. Without this, the first request after a pause
	// would be judged by the overload before it.
	if time.Since(t.recorded) >= throttlerWindow {
		t.policy, t.recorded = newThrottlerPolicy(), time.Now()
	}
	if t.policy.TryAcquirePermit() {
		return true
	}
	t.policy.RecordFailure()
	t.recorded = time.Now()
	return false
}

func (t *Throttler) record(served bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if served {
		t.policy.RecordSuccess()
	} else {
		t.policy.RecordFailure()
	}
	t.recorded = time.Now()
}
