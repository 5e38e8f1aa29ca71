package cache

import (
	"context"
	"net/http"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
)

// A flight is a request in progress for which equal requests wait. x/sync's singleflight does not fit: the answer may
// turn out not to be shareable, and requests that arrive after a write must not wait for a request from before it.
type flight struct {
	generation uint64
	done       chan struct{} // closed when the flight has finished

	// The result, which may be read when done is closed.
	entry     *entry // nil: the answer cannot be stored
	failed    bool   // there is no answer, or it is 5xx
	abandoned bool   // the client that led the flight has left

	finished bool // guarded by Cache.mu
}

// join returns the flight for a key that began after the last purge. leads reports that the flight is new, so that
// the caller must fetch the answer.
func (c *Cache) join(key string) (f *flight, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	generation := c.generation.Load()
	if f := c.flights[key]; f != nil && f.generation == generation {
		return f, false
	}
	f = &flight{generation: generation, done: make(chan struct{})}
	c.flights[key] = f
	return f, true
}

// finish wakes the requests that wait for a flight. Calling it again does nothing.
func (c *Cache) finish(key string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.finished {
		return
	}
	f.finished = true
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	close(f.done)
}

// fetch gets the answer from next, stores it if that is permitted, and finishes the flight. An answer that breaks off
// before any of it was sent becomes a problem; after that, only closing the connection can report it.
func (c *Cache) fetch(ctx context.Context, r *http.Request, next http.Handler, key string, f *flight,
	answer *recorder,
) {
	defer c.finish(key, f)
	sent := c.now()
	if complete := answer.serve(next, sharedRequest(ctx, r)); !complete {
		telemetry.Log(ctx).Warn().Msg("an answer broke off")
		*answer = *newRecorder(answer.max, answer.spill)
		httpx.WriteProblem(answer, fault.New(fault.Unavailable, "unavailable",
			"A part of the shop does not answer just now.").After(time.Second))
	}
	if answer.spilled != nil {
		return
	}
	answer.finish()
	f.abandoned = ctx.Err() != nil
	f.failed = answer.status >= 500
	if f.entry = c.newEntry(r, answer, sent); f.entry != nil {
		f.entry.generation = f.generation
		if f.generation == c.generation.Load() {
			c.entries.Set(key, f.entry)
		}
	}
}

// sharedRequest returns the request that is forwarded: a GET without anything that is specific to its client.
func sharedRequest(ctx context.Context, r *http.Request) *http.Request {
	out := r.WithContext(ctx)
	out.Method, out.Body, out.Header = http.MethodGet, http.NoBody, make(http.Header, len(varyHeaders))
	for _, name := range varyHeaders {
		if values := r.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	return out
}

// varyHeaders are the request headers on which an answer may depend. The answer names them in Vary.
var varyHeaders = []string{"Accept", "Accept-Language"}
