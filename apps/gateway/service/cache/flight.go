package cache

import (
	"context"
	"net/http"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/telemetry"
)

// A flight is a request under way that equal ones wait for. It is not x/sync's singleflight, because what comes of
// it may turn out not to be shared, and because a write ends it for those who come later.
type flight struct {
	generation uint64
	done       chan struct{}

	// These stand when done is closed.
	entry  *entry // nil: it cannot be kept
	failed bool   // no answer, or one that says that there is none: 5xx
	left   bool   // the client that led it has gone

	landed bool // guarded by Cache.mu
}

// join gives the flight for a key that began after the last purge; leads tells that it is new, and the caller's.
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

// land tells those who wait; a second time does nothing.
func (c *Cache) land(key string, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.landed {
		return
	}
	f.landed = true
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	close(f.done)
}

// fetch asks next, keeps what may be kept, and lands the flight. An answer that breaks off before any of it has gone
// out is an outage to tell of; later only the end of the connection can tell.
func (c *Cache) fetch(ctx context.Context, r *http.Request, next http.Handler, key string, f *flight, answer *recorder) {
	defer c.land(key, f)
	sent := c.now()
	broken := func() (broken bool) {
		defer func() {
			if p := recover(); p != nil {
				if p != http.ErrAbortHandler || answer.spilled != nil {
					panic(p)
				}
				broken = true
			}
		}()
		next.ServeHTTP(answer, neutral(ctx, r))
		return false
	}()
	if answer.spilled != nil {
		return
	}
	if broken {
		telemetry.Log(ctx).Warn().Msg("an answer broke off")
		*answer = recorder{header: http.Header{}, max: answer.max, spill: answer.spill}
		httpx.WriteProblem(answer, fault.New(fault.Unavailable, "unavailable", "A part of the shop does not answer just now.").After(time.Second))
	}
	answer.finish()
	f.left = ctx.Err() != nil
	f.failed = answer.status >= 500
	if f.entry = c.entryOf(r, answer, sent); f.entry != nil {
		f.entry.generation = f.generation
		if f.generation == c.generation.Load() {
			c.entries.Set(key, f.entry)
		}
	}
}

// neutral is the request as the app sees it: for all, not for the one who happens to ask.
func neutral(ctx context.Context, r *http.Request) *http.Request {
	out := r.WithContext(ctx)
	out.Method, out.Body, out.Header = http.MethodGet, http.NoBody, make(http.Header, len(selecting))
	for _, name := range selecting {
		if values := r.Header[name]; len(values) > 0 {
			out.Header[name] = values
		}
	}
	return out
}

// selecting are the headers of a request that an answer can depend on, which it then says in Vary.
var selecting = []string{"Accept", "Accept-Language"}

// recorder holds an answer back until it is whole, or too large: then it spills into the writer that spill gives,
// nil for none.
type recorder struct {
	header  http.Header
	status  int
	body    []byte
	max     int
	spill   func(status int, header http.Header) http.ResponseWriter
	spilled http.ResponseWriter
}

// Header implements http.ResponseWriter.
func (a *recorder) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. Informational answers (1xx) end here.
func (a *recorder) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

// Write implements io.Writer.
func (a *recorder) Write(b []byte) (int, error) {
	a.finish()
	if a.spilled != nil {
		return a.spilled.Write(b)
	}
	if len(a.body)+len(b) <= a.max {
		a.body = append(a.body, b...)
		return len(b), nil
	}
	if a.spilled = a.spill(a.status, a.header); a.spilled == nil {
		a.spilled = nowhere{}
	}
	if _, err := a.spilled.Write(a.body); err != nil {
		return 0, err
	}
	a.body = nil
	return a.spilled.Write(b)
}

func (a *recorder) finish() { a.WriteHeader(http.StatusOK) }

// nowhere takes what nobody waits for.
type nowhere struct{ http.ResponseWriter }

// Write implements io.Writer.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
