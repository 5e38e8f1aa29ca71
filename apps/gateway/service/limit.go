package service

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
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

type bucket struct {
	perSecond rate.Limit
	burst     int
	policy    string // as RateLimit-Policy words it
}

var buckets = map[limit]bucket{
	browsing:     sized(browsing, 100, 500),
	signIn:       sized(signIn, 1, 60), // each costs an argon2id hash; the users service limits tries by account
	cartCreation: sized(cartCreation, 5, 100),
	placement:    sized(placement, 2, 60),
}

func sized(name limit, perSecond, burst int) bucket {
	window := math.Ceil(float64(burst) / float64(perSecond))
	return bucket{rate.Limit(perSecond), burst, fmt.Sprintf("%q;q=%d;w=%.0f", name, burst, window)}
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
// (draft-ietf-httpapi-ratelimit-headers, and the three headers of its drafts before 08, which more clients know). It fails with too-many-requests.
func (l *limits) take(w http.ResponseWriter, name limit, caller string) error {
	size, now := buckets[name], l.now()
	tokens, _ := l.callers.ComputeIfAbsent(string(name)+" "+caller, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(size.perSecond, size.burst), false
	})
	ok := tokens.AllowN(now, 1)
	left := tokens.TokensAt(now)
	remaining := strconv.Itoa(int(max(left, 0)))
	full := strconv.Itoa(int(math.Ceil((float64(size.burst) - left) / float64(size.perSecond))))
	h := w.Header()
	h.Set("RateLimit-Policy", size.policy)
	h.Set("RateLimit", `"`+string(name)+`";r=`+remaining+";t="+full)
	h.Set("RateLimit-Limit", strconv.Itoa(size.burst))
	h.Set("RateLimit-Remaining", remaining)
	h.Set("RateLimit-Reset", full) // seconds until the bucket is full again
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
