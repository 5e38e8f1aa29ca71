// Package cache is a shared HTTP cache in memory (RFC 9111) for answers that everybody may see. Equal requests
// that arrive together ask once; stale-while-revalidate and stale-if-error (RFC 5861) are honoured.
//
// What a token, an order's token or a cart's id opens is never kept: requests with credentials pass by, and only
// answers are kept whose Cache-Control says that a shared cache may, and for how long. The fetch that fills the cache
// carries nothing of its client but what it accepts, so that one client cannot shape what others see.
package cache

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/telemetry"
)

// Cache keeps answers of the handlers it wraps.
type Cache struct {
	entries *otter.Cache[string, *entry]
	maxBody int
	now     func() time.Time
	figures figures

	// generation counts the purges. An answer is served only in the generation in which its request was sent: one
	// that was read before a write and arrives after it is nobody's any more.
	generation atomic.Uint64

	mu      sync.Mutex
	flights map[string]*flight
}

// Options of a Cache.
type Options struct {
	Bytes   int                   // what the answers may take together; one may take an eighth
	Now     func() time.Time      // time.Now if nil
	Metrics prometheus.Registerer // none if nil
}

// New makes an empty cache.
func New(o Options) *Cache {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{
		maxBody: min(o.Bytes/8, 1<<20), now: o.Now, flights: map[string]*flight{},
		entries: otter.Must(&otter.Options[string, *entry]{
			MaximumWeight: uint64(o.Bytes), Weigher: func(key string, e *entry) uint32 { return e.weight(key) },
		}),
	}
	c.figures = newFigures(o.Metrics, c)
	return c
}

// Purge forgets all answers, and those that are on their way.
func (c *Cache) Purge() {
	c.generation.Add(1)
	c.figures.purges.Inc()
}

// Reads answers GET and HEAD from memory where it may, else from next. Put httpx.Conditional before it for 304.
// Every answer to them says in Cache-Status (RFC 9211) what was done, and one from memory in Age how old it is.
func (c *Cache) Reads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		wants, ok := wantsOf(r)
		if !ok {
			c.pass(w, r, next)
			return
		}
		key := keyOf(r)
		for range maxJoins {
			e, age := c.find(key, r)
			if e != nil && wants.allow(e, age) {
				c.hit(w, r, e, age)
				return
			}
			if e != nil && age < e.fresh+e.whileRevalidating && !wants.fresher() {
				c.refresh(key, r, next)
				c.hit(w, r, e, age)
				return
			}
			f, leads := c.join(key)
			if leads {
				c.lead(w, r, next, key, f, e, age)
				return
			}
			select {
			case <-f.done:
			case <-r.Context().Done():
				w.WriteHeader(statusClientClosed)
				return
			}
			switch got := f.entry; {
			case got != nil && got.generation == c.generation.Load() && got.suits(r):
				c.figures.collapsed.Inc()
				got.write(w, r, c.now().Sub(got.born), "fwd=miss; collapsed")
				return
			case f.failed && e != nil && age < e.fresh+e.ifError:
				c.hit(w, r, e, age)
				return
			case got == nil && !f.left:
				c.pass(w, r, next) // what may not be kept may not be shared either
				return
			}
		}
		c.pass(w, r, next)
	})
}

// maxJoins is how often a request waits for another that then is of no use to it, because a write came between.
const maxJoins = 3

// statusClientClosed is nginx's word for a client that left before the answer; for the metrics.
const statusClientClosed = 499

// pass leaves the request to next, as it is.
func (c *Cache) pass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	c.figures.bypassed.Inc()
	w.Header().Set("Cache-Status", statusName+"fwd=bypass")
	next.ServeHTTP(w, r)
}

func (c *Cache) hit(w http.ResponseWriter, r *http.Request, e *entry, age time.Duration) {
	count := c.figures.hits
	if age >= e.fresh {
		count = c.figures.stale
	}
	count.Inc()
	e.write(w, r, age, "hit; ttl="+seconds(e.fresh-age))
}

// find gives what is kept for a request, fresh or not, and its age; nil if nothing is.
func (c *Cache) find(key string, r *http.Request) (*entry, time.Duration) {
	generation := c.generation.Load()
	e, _ := c.entries.GetIfPresent(key)
	if e == nil || e.generation != generation || !e.suits(r) {
		return nil, 0
	}
	return e, c.now().Sub(e.born)
}

// lead asks next for the client and for those who wait. old, if any, is what may be served if next fails.
func (c *Cache) lead(w http.ResponseWriter, r *http.Request, next http.Handler, key string, f *flight, old *entry, age time.Duration) {
	c.figures.misses.Inc()
	why := "fwd=uri-miss"
	if old != nil {
		why = "fwd=stale"
	}
	answer := &recorder{header: http.Header{}, max: c.maxBody, spill: func(status int, header http.Header) http.ResponseWriter {
		c.land(key, f) // too large to be kept: nobody need wait for it
		send(w, header, why)
		w.WriteHeader(status)
		if r.Method == http.MethodHead {
			return nil
		}
		return w
	}}
	c.fetch(r.Context(), r, next, key, f, answer)
	switch {
	case answer.spilled != nil:
	case f.failed && old != nil && age < old.fresh+old.ifError:
		c.hit(w, r, old, age)
	default:
		if f.entry != nil {
			why += "; stored"
		}
		send(w, answer.header, why)
		w.WriteHeader(answer.status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(answer.body) // an error: the client has gone
		}
	}
}

// refresh renews an answer in the background, if nobody does already.
func (c *Cache) refresh(key string, r *http.Request, next http.Handler) {
	f, leads := c.join(key)
	if !leads {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	answer := &recorder{header: http.Header{}, max: c.maxBody, spill: func(int, http.Header) http.ResponseWriter { return nil }}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				telemetry.Log(ctx).Error().Interface("panic", p).Msg("cannot renew an answer")
			}
		}()
		c.fetch(ctx, r, next, key, f, answer)
	}()
}
