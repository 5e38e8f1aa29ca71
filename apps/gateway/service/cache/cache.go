// Package cache is a shared HTTP cache in memory (RFC 9111) for answers that everybody may see. Equal requests that
// arrive together are forwarded once. The cache implements stale-while-revalidate and stale-if-error (RFC 5861).
//
// It never stores anything that an access token, an order's token or a cart's id protects: requests with credentials
// bypass it, and it stores only answers whose Cache-Control permits a shared cache, and for as long as that says. The
// request that fills the cache carries nothing of its client but Accept headers, so that one client cannot change
// what others see.
package cache

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Cache stores answers of the handlers that it wraps. A Cache is safe for concurrent use.
type Cache struct {
	entries *otter.Cache[string, *entry]
	maxBody int // bytes
	now     func() time.Time
	metrics metrics
	// compress returns nil for an answer that is not compressed.
	compress func(r *http.Request, header http.Header, body []byte) []byte

	// generation counts the purges. An answer is served only in the generation in which its request was sent: an
	// answer that was read before a write and arrives after it is outdated.
	generation atomic.Uint64

	mu      sync.Mutex
	flights map[string]*flight
}

// Options of a Cache.
type Options struct {
	Bytes   int                   // for all answers together; a single answer may have an eighth of them
	Now     func() time.Time      // time.Now if nil
	Metrics prometheus.Registerer // none if nil
	// Compress compresses an answer with gzip, once when it is stored. It returns nil for an answer that is not to be
	// compressed. Nothing is compressed if it is nil.
	Compress func(r *http.Request, header http.Header, body []byte) []byte
}

// New returns an empty cache.
func New(o Options) *Cache {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Cache{
		maxBody: min(o.Bytes/8, 1<<20), now: o.Now, compress: o.Compress, flights: map[string]*flight{},
		entries: otter.Must(&otter.Options[string, *entry]{
			MaximumWeight: uint64(o.Bytes), Weigher: func(key string, e *entry) uint32 { return e.weight(key) },
		}),
	}
	if c.compress == nil {
		c.compress = func(*http.Request, http.Header, []byte) []byte { return nil }
	}
	c.metrics = newMetrics(o.Metrics, c)
	return c
}

// Purge drops all answers, and those whose requests are in progress.
func (c *Cache) Purge() {
	c.generation.Add(1)
	c.metrics.purges.Inc()
}

// Reads answers GET and HEAD from memory if possible, and otherwise from next. Put httpx.Conditional before it for
// 304. Every answer says in Cache-Status (RFC 9211) what the cache did, and an answer from memory says in Age how old
// it is.
func (c *Cache) Reads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		demands, cacheable := parseDemands(r)
		if !cacheable {
			c.bypass(w, r, next)
			return
		}
		key := keyOf(r)
		for range maxJoins {
			e, age := c.lookup(key, r)
			if e != nil && demands.allow(e, age) {
				c.serveEntry(w, r, e, age)
				return
			}
			if e != nil && age < e.lifetime+e.staleWhileRevalidate && !demands.freshness() {
				c.refresh(key, r, next)
				c.serveEntry(w, r, e, age)
				return
			}
			f, leads := c.join(key)
			if leads {
				c.serveFetched(w, r, next, key, f, e, age)
				return
			}
			select {
			case <-f.done:
			case <-r.Context().Done():
				w.WriteHeader(statusClientClosed)
				return
			}
			switch got := f.entry; {
			case got != nil && got.generation == c.generation.Load() && got.matches(r):
				c.metrics.collapsed.Inc()
				got.write(w, r, c.now().Sub(got.created), "fwd=miss; collapsed")
				return
			case f.failed && e != nil && age < e.lifetime+e.staleIfError:
				c.serveEntry(w, r, e, age)
				return
			case got == nil && !f.abandoned:
				c.bypass(w, r, next) // an answer that may not be stored may not be shared either
				return
			}
		}
		c.bypass(w, r, next)
	})
}

// maxJoins is how often a request waits for an equal one whose answer it then cannot use, because of a write in
// between.
const maxJoins = 3

// statusClientClosed is nginx's status for a client that left before the answer. It is for the metrics.
const statusClientClosed = 499

// bypass forwards a request unchanged.
func (c *Cache) bypass(w http.ResponseWriter, r *http.Request, next http.Handler) {
	c.metrics.bypassed.Inc()
	w.Header().Set("Cache-Status", statusName+"fwd=bypass")
	next.ServeHTTP(w, r)
}

// serveEntry answers from memory.
func (c *Cache) serveEntry(w http.ResponseWriter, r *http.Request, e *entry, age time.Duration) {
	count := c.metrics.hits
	if age >= e.lifetime {
		count = c.metrics.stale
	}
	count.Inc()
	e.write(w, r, age, "hit; ttl="+seconds(e.lifetime-age))
}

// lookup returns the stored answer to a request, fresh or stale, and its age. It returns nil if there is none.
func (c *Cache) lookup(key string, r *http.Request) (*entry, time.Duration) {
	generation := c.generation.Load()
	e, _ := c.entries.GetIfPresent(key)
	if e == nil || e.generation != generation || !e.matches(r) {
		return nil, 0
	}
	return e, c.now().Sub(e.created)
}

// serveFetched forwards a request, and answers its client and the requests that wait for it. It may serve the entry
// old, which may be nil, if next fails.
func (c *Cache) serveFetched(w http.ResponseWriter, r *http.Request, next http.Handler, key string, f *flight,
	old *entry, age time.Duration,
) {
	c.metrics.misses.Inc()
	status := "fwd=uri-miss"
	if old != nil {
		status = "fwd=stale"
	}
	answer := newRecorder(c.maxBody, func(code int, header http.Header) http.ResponseWriter {
		c.finish(key, f) // the answer is too large to be stored: no request needs to wait for it
		copyHeader(w, header, status)
		w.WriteHeader(code)
		if r.Method == http.MethodHead {
			return nil
		}
		return w
	})
	c.fetch(r.Context(), r, next, key, f, answer)
	switch {
	case answer.spilled != nil:
	case f.failed && old != nil && age < old.lifetime+old.staleIfError:
		c.serveEntry(w, r, old, age)
	case f.entry != nil:
		f.entry.send(w, r, status+"; stored")
	default:
		copyHeader(w, answer.header, status)
		w.WriteHeader(answer.status)
		if r.Method != http.MethodHead {
			_, _ = w.Write(answer.body) // an error: the client has left
		}
	}
}

// refresh fetches an answer again in the background, unless a request for it is in progress.
func (c *Cache) refresh(key string, r *http.Request, next http.Handler) {
	f, leads := c.join(key)
	if !leads {
		return
	}
	ctx := context.WithoutCancel(r.Context())
	answer := newRecorder(c.maxBody, func(int, http.Header) http.ResponseWriter { return nil })
	go func() {
		defer func() {
			if p := recover(); p != nil {
				telemetry.Log(ctx).Error().Str(field.Error, fmt.Sprint(p)).Msg("cannot refresh a cached answer")
			}
		}()
		c.fetch(ctx, r, next, key, f, answer)
	}()
}
