package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// probeHeader marks the requests of this program, which the gate always lets through.
const probeHeader = "Conform-Probe"

// gate is between a sidecar and its app. It forwards every request, and lets a check decide what becomes of the
// deliveries of the broker.
type gate struct {
	// Fault, if set before the start, wraps the app: it makes it break a promise, to test that the checks notice.
	Fault func(http.Handler) http.Handler

	ctx   context.Context
	stop  context.CancelFunc
	tasks sync.WaitGroup

	mu     sync.Mutex
	mode   mode
	held   []chan struct{}              // deliveries that wait, in the order in which they have arrived
	edit   func(message map[string]any) // changes each message that passes
	bulk   map[string]bool              // paths that get several messages in one request
	passed map[string]int               // messages that the app has answered, by their status
	lost   []string                     // answers that lose messages
}

// mode is what the gate does with deliveries.
type mode int

const (
	pass mode = iota
	hold      // until release
	drop      // answered by the gate with SUCCESS; the app never sees them
)

func newGate(ctx context.Context) *gate {
	g := &gate{bulk: map[string]bool{}, passed: map[string]int{}}
	g.ctx, g.stop = context.WithCancel(ctx)
	return g
}

// Tap returns the function for config.Options. It puts the gate before one app, and forwards requests to the others.
func (g *gate) Tap(gated string) func(app string, port, behind int) {
	return func(app string, port, behind int) {
		target := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", behind)}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		var handler http.Handler = proxy
		if app == gated {
			if g.Fault != nil {
				handler = g.Fault(handler)
			}
			handler = g.guard(handler)
		}
		g.tasks.Go(func() { g.serve(port, target.Host, handler) })
	}
}

// serve serves a port as soon as the app listens behind it, so that the launcher finds the app ready no earlier.
func (g *gate) serve(port int, target string, handler http.Handler) {
	for {
		c, err := (&net.Dialer{}).DialContext(g.ctx, "tcp", target)
		if err == nil {
			c.Close()
			break
		}
		select {
		case <-g.ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	server := http.Server{
		Addr: fmt.Sprintf("127.0.0.1:%d", port), Handler: handler, ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return g.ctx },
	}
	defer context.AfterFunc(g.ctx, func() { server.Close() })()
	_ = server.ListenAndServe()
}

// Close ends all connections.
func (g *gate) Close() {
	g.release()
	g.stop()
	g.tasks.Wait()
}

// set changes what happens to deliveries from now on.
func (g *gate) set(m mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode = m
}

// rewrite makes the gate change each message before the app gets it; nil ends that.
func (g *gate) rewrite(edit func(message map[string]any)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.edit = edit
}

// release lets the deliveries that wait go on, the last first, and all that come after them.
func (g *gate) release() {
	g.mu.Lock()
	held := g.held
	g.mode, g.held = pass, nil
	g.mu.Unlock()
	for _, next := range slices.Backward(held) {
		close(next)
	}
}

// answered returns how many messages the app has answered with a status.
func (g *gate) answered(status string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed[status]
}

// refused returns how many messages the app has not accepted.
func (g *gate) refused() int { return g.answered("RETRY") + g.answered("DROP") }

// takesBulk reports whether the broker has delivered several messages in one request to a path.
func (g *gate) takesBulk(path string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bulk[path]
}

// losses returns the answers so far by which a broker would have lost messages.
func (g *gate) losses() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.lost)
}

// guard applies the mode to the deliveries for an app.
func (g *gate) guard(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get(probeHeader) != "" {
			app.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		messages, bulk, decoded := parseDelivery(body)
		if len(messages) == 0 {
			r.Body = io.NopCloser(bytes.NewReader(body))
			app.ServeHTTP(w, r)
			return
		}
		switch dropped := g.arrive(r, bulk); {
		case r.Context().Err() != nil:
			return
		case dropped:
			acknowledge(w, messages, bulk)
			return
		}
		g.mu.Lock()
		edit := g.edit
		g.mu.Unlock()
		if edit != nil {
			for _, m := range messages {
				edit(m.event)
			}
			body, _ = json.Marshal(decoded) // was decoded from JSON
			r.ContentLength = int64(len(body))
			r.Header.Del("Content-Length")
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &recorded{ResponseWriter: w}
		app.ServeHTTP(answer, r)
		g.record(r.URL.Path, messages, answer)
	})
}

// arrive notes a delivery and waits while deliveries are held. It reports whether the delivery is to be dropped.
func (g *gate) arrive(r *http.Request, bulk bool) (dropped bool) {
	g.mu.Lock()
	g.bulk[r.URL.Path] = g.bulk[r.URL.Path] || bulk
	if g.mode != hold {
		defer g.mu.Unlock()
		return g.mode == drop
	}
	next := make(chan struct{})
	g.held = append(g.held, next)
	g.mu.Unlock()
	select {
	case <-next:
	case <-r.Context().Done():
	}
	return false
}

// record counts the statuses of the messages that the app has answered.
func (g *gate) record(path string, messages []message, answer *recorded) {
	statuses := statusesOf(messages, answer.status, answer.body.Bytes())
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, status := range statuses {
		g.passed[status]++
	}
	if answer.status == http.StatusNotFound {
		g.lost = append(g.lost, fmt.Sprintf("POST %s was answered with 404", path))
	}
}
