package memory

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Mesh joins apps in one process: invocation calls their handlers, publishing their subscriptions.
type Mesh struct {
	mu       sync.Mutex
	apps     map[string]http.Handler
	handlers map[string][]sidecar.Handler
	bound    []Bound
	sent     map[string][]sidecar.Message
}

// Bound is a use of an output binding.
type Bound struct {
	Binding, Operation string
	Data               []byte
	Metadata           map[string]string
}

// NewMesh makes a mesh without apps.
func NewMesh() *Mesh {
	return &Mesh{apps: map[string]http.Handler{}, handlers: map[string][]sidecar.Handler{}, sent: map[string][]sidecar.Message{}}
}

var (
	_ sidecar.Invoker    = (*Mesh)(nil)
	_ sidecar.Publisher  = (*Mesh)(nil)
	_ sidecar.Subscriber = (*Mesh)(nil)
	_ sidecar.Binder     = (*Mesh)(nil)
)

// Join makes an app reachable by its id.
func (m *Mesh) Join(app string, h http.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.apps[app] = h
}

// Invoke implements sidecar.Invoker.
func (m *Mesh) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	m.mu.Lock()
	h := m.apps[r.App]
	m.mu.Unlock()
	if h == nil {
		return nil, fmt.Errorf("%w: no app %s", sidecar.ErrUnavailable, r.App)
	}
	target := r.Path
	if len(r.Query) > 0 {
		target += "?" + r.Query.Encode()
	}
	inner, cancel := context.WithCancel(wire{ctx})
	req := httptest.NewRequestWithContext(inner, r.Method, target, r.Body)
	for name, values := range r.Header {
		req.Header[name] = slices.Clone(values)
	}
	if t, ok := telemetry.TraceOf(ctx); ok {
		req.Header.Set("traceparent", t.Parent())
		req.Header.Set("X-Request-Id", t.RequestID)
	}
	if token := identity.TokenOf(ctx); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return serve(h, req, cancel)
}

// wire is a context as it arrives over a network: the end of the caller's is noticed, its values are not
// there. A router's or an identity's would otherwise reach into the next app.
type wire struct{ context.Context }

// Value implements context.Context.
func (wire) Value(any) any { return nil }

// Subscribe implements sidecar.Subscriber.
func (m *Mesh) Subscribe(topic string, h sidecar.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers[topic] = append(m.handlers[topic], h)
}

// attempts is how often a delivery is tried before it counts as a dead letter and is dropped.
const attempts = 5

// Publish implements sidecar.Publisher. It delivers before it returns, in order.
func (m *Mesh) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	m.sent[topic] = append(m.sent[topic], messages...)
	handlers := append([]sidecar.Handler(nil), m.handlers[topic]...)
	m.mu.Unlock()
	trace := ""
	if t, ok := telemetry.TraceOf(ctx); ok {
		trace = t.Parent()
	}
	for _, h := range handlers {
		var pending []sidecar.Delivery
		for _, msg := range messages {
			pending = append(pending, sidecar.Delivery{ID: msg.ID, Topic: topic, Data: clone(msg.Data), TraceParent: trace})
		}
		for range attempts {
			if pending = deliver(wire{ctx}, h, pending); len(pending) == 0 {
				break
			}
		}
	}
	return nil
}

// deliver hands a batch to a handler and gives what is to be sent again.
func deliver(ctx context.Context, h sidecar.Handler, batch []sidecar.Delivery) (again []sidecar.Delivery) {
	if len(batch) == 0 {
		return nil
	}
	outcomes := h(ctx, slices.Clone(batch))
	for i, d := range batch {
		if i >= len(outcomes) || outcomes[i] == sidecar.Retry {
			again = append(again, d)
		}
	}
	return again
}

// Sent lists what was published to a topic.
func (m *Mesh) Sent(topic string) []sidecar.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]sidecar.Message(nil), m.sent[topic]...)
}

// Bind implements sidecar.Binder by remembering the use.
func (m *Mesh) Bind(_ context.Context, binding, operation string, data []byte, metadata map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bound = append(m.bound, Bound{binding, operation, clone(data), metadata})
	return nil
}

// Bindings lists the uses of output bindings.
func (m *Mesh) Bindings() []Bound {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Bound(nil), m.bound...)
}
