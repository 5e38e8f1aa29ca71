package service

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// A limit names a token bucket that each caller has: so many requests at once, then so many a second.
type limit string

// The limits. Creation of things that cost the shop something is slower than looking around.
const (
	browsing     limit = "default"
	signIn       limit = "sign-in"
	cartCreation limit = "cart-creation"
	placement    limit = "placement"
)

var buckets = map[limit]struct {
	perSecond rate.Limit
	burst     int
}{
	browsing:     {100, 500},
	signIn:       {1, 60}, // each costs an argon2id hash; the users service limits tries by account
	cartCreation: {5, 100},
	placement:    {2, 60},
}

// maxBuckets bounds the memory: about 200 bytes each. One that is forgotten is full again.
const maxBuckets = 100_000

type limits struct {
	callers *otter.Cache[string, *rate.Limiter]
	now     func() time.Time
}

func newLimits(now func() time.Time) *limits {
	return &limits{callers: otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: maxBuckets}), now: now}
}

// take counts a request of the caller and says in the answer what is left
// (draft-ietf-httpapi-ratelimit-headers). It fails with too-many-requests.
func (l *limits) take(w http.ResponseWriter, name limit, caller string) error {
	size, now := buckets[name], l.now()
	bucket, _ := l.callers.ComputeIfAbsent(string(name)+" "+caller, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(size.perSecond, size.burst), false
	})
	ok := bucket.AllowN(now, 1)
	left := bucket.TokensAt(now)
	full := math.Ceil((float64(size.burst) - left) / float64(size.perSecond))
	w.Header().Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%.0f", name, size.burst, math.Ceil(float64(size.burst)/float64(size.perSecond))))
	w.Header().Set("RateLimit", fmt.Sprintf("%q;r=%.0f;t=%.0f", name, math.Floor(max(left, 0)), full))
	if ok {
		return nil
	}
	wait := time.Duration((1 - left) / float64(size.perSecond) * float64(time.Second))
	return fault.New(fault.TooMany, "too-many-requests", "You are sending requests faster than this address takes them.").After(max(wait, time.Second))
}

// slower applies a route's own limit to requests that create something.
func (g *Gateway) slower(name limit) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if name == "" || g.deps.Config.RateLimit == "off" {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				if err := g.limits.take(w, name, limitKey(r)); err != nil {
					httpx.WriteProblem(w, err)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}
