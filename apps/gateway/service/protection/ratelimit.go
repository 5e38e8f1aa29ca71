package protection

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// RateLimit names a kind of token bucket. Each caller has one bucket of each kind.
type RateLimit string

// The rate limits. Creating things that cost the shop something is limited more than reading.
const (
	Browsing     RateLimit = "default"
	SignIn       RateLimit = "sign-in"
	CartCreation RateLimit = "cart-creation"
	Placement    RateLimit = "placement"
	Probing      RateLimit = "probing"    // of /healthz and /readyz: whoever asks for other things must not stop probes
	Connecting   RateLimit = "connecting" // opening connections
	Mailing      RateLimit = "mailing"    // requests that make the shop send mail to any mailbox
)

// bucket is the size of a token bucket.
type bucket struct {
	perSecond rate.Limit
	burst     int
	policy    string // the value of RateLimit-Policy
	caller    func(*http.Request) string
	reason    Reason // of the refusals
}

var buckets = map[RateLimit]bucket{
	Browsing:     newBucket(Browsing, 100, 500),
	SignIn:       newBucket(SignIn, 1, 60), // each costs an argon2id hash; the users service limits attempts by account
	CartCreation: newBucket(CartCreation, 5, 100),
	Placement:    newBucket(Placement, 2, 60),
	Probing:      newBucket(Probing, 20, 100),
	Mailing:      newMailBucket(500, 1000),
	Connecting:   newBucket(Connecting, 500, 3000), // more than Browsing, so that clients see 429 before a reset
}

func newBucket(name RateLimit, perSecond rate.Limit, burst int) bucket {
	window := math.Ceil(float64(burst) / float64(perSecond))
	b := bucket{perSecond, burst, fmt.Sprintf("%q;q=%d;w=%.0f", name, burst, window), callerKey, OverRateLimit}
	if name == SignIn {
		b.reason = OverSignInLimit
	}
	return b
}

// newMailBucket returns the bucket of Mailing, which counts for the address whoever is signed in: each request may name
// another mailbox, and accounts are cheap.
func newMailBucket(perHour, burst int) bucket {
	b := newBucket(Mailing, rate.Limit(perHour)/3600, burst)
	b.caller, b.reason = addressKey, OverMailLimit
	return b
}

// maxBuckets bounds the memory, at about 200 bytes a bucket. A caller whose bucket was evicted gets a full one.
const maxBuckets = 100_000

// RateLimits are the token buckets of all callers. A RateLimits is safe for concurrent use; nil limits nothing.
type RateLimits struct {
	callers  *otter.Cache[string, *rate.Limiter]
	now      func() time.Time
	refusals Refusals
}

// NewRateLimits returns full buckets for everybody.
func NewRateLimits(now func() time.Time, refusals Refusals) *RateLimits {
	return &RateLimits{
		callers: otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: maxBuckets}), now: now, refusals: refusals,
	}
}

// Take takes a token for a request from its caller's bucket and writes into the header of the answer how many are
// left (draft-ietf-httpapi-ratelimit-headers, and the three headers of its drafts before 08, which more clients
// know). Problem: too-many-requests (429), if the bucket is empty.
func (l *RateLimits) Take(w http.ResponseWriter, r *http.Request, name RateLimit) error {
	if l == nil {
		return nil
	}
	size, now := buckets[name], l.now()
	tokens := l.bucket(name, size.caller(r))
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
	l.refusals[size.reason].Inc()
	wait := time.Duration((1 - left) / float64(size.perSecond) * float64(time.Second))
	return fault.New(fault.TooMany, "too-many-requests",
		"The rate limit of this address is exceeded.").After(max(wait, time.Second))
}

// bucket returns the bucket of a caller, a full one if there is none.
func (l *RateLimits) bucket(name RateLimit, caller string) *rate.Limiter {
	size := buckets[name]
	tokens, _ := l.callers.ComputeIfAbsent(string(name)+" "+caller, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(size.perSecond, size.burst), false
	})
	return tokens
}

// Connections returns a check for new connections. It limits the connections a second from each address, except from
// trusted proxies, which connect for all clients. An address that opens a connection for each request then costs the
// gateway little, whatever it sends. trusted are the networks of the proxies.
func (l *RateLimits) Connections(trusted []netip.Prefix) func(netip.Addr) bool {
	return func(from netip.Addr) bool {
		from = from.Unmap()
		for _, network := range trusted {
			if network.Contains(from) {
				return true
			}
		}
		return l.bucket(Connecting, keyOfAddress(from)).AllowN(l.now(), 1)
	}
}

// Creations applies a rate limit to the requests to next that create something (POST).
func (l *RateLimits) Creations(name RateLimit, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if err := l.Take(w, r, name); err != nil {
				httpx.WriteProblem(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Preflights applies the limit of browsing to the preflights of browsers, which the middleware of CORS answers. The
// others are counted when their caller is known.
func (l *RateLimits) Preflights(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			if err := l.Take(w, r, Browsing); err != nil {
				httpx.WriteProblem(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// callerKey identifies the caller of a request: the user, or else the address.
func callerKey(r *http.Request) string {
	if user := userKey(r); user != "" {
		return user
	}
	return addressKey(r)
}

// addressKey identifies the address that a request comes from.
func addressKey(r *http.Request) string {
	return keyOfAddress(middleware.GetClientIPAddr(r.Context()).Unmap())
}

// keyOfAddress identifies an address. IPv6 addresses count by their /64, because one subscriber has all of it.
func keyOfAddress(addr netip.Addr) string {
	if addr.Is6() {
		return "net " + netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
	}
	return "addr " + addr.String()
}
