package memory

import (
	"cmp"
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

// Mesh connects apps in one process: an invocation calls the HTTP handler of an app, and publishing calls the handlers
// that are subscribed. It also implements sidecar.Binder. It is safe for concurrent use.
type Mesh struct {
	mu       sync.Mutex
	apps     map[string]http.Handler
	handlers map[string][]sidecar.Handler
	bindings []Bound
	sent     map[string][]sidecar.Message // by topic
}

// Bound is a call of an output binding.
type Bound struct {
	Binding, Operation string
	Data               []byte
	Metadata           map[string]string
}

// NewMesh creates a mesh without apps.
func NewMesh() *Mesh {
	return &Mesh{
		apps: map[string]http.Handler{}, handlers: map[string][]sidecar.Handler{}, sent: map[string][]sidecar.Message{},
	}
}

var (
	_ sidecar.Invoker    = (*Mesh)(nil)
	_ sidecar.Publisher  = (*Mesh)(nil)
	_ sidecar.Subscriber = (*Mesh)(nil)
	_ sidecar.Binder     = (*Mesh)(nil)
)

// Join adds an app, which other apps can invoke by its id.
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
	inner, cancel := context.WithCancel(withoutValues{ctx})
	req := httptest.NewRequestWithContext(inner, r.Method, target, r.Body)
	for name, values := range r.Header {
		req.Header[name] = slices.Clone(values)
	}
	if parent := telemetry.TraceParent(ctx); parent != "" {
		req.Header.Set("traceparent", parent)
		req.Header.Set("X-Request-Id", telemetry.RequestID(ctx))
	}
	if baggage := telemetry.Baggage(ctx); baggage != "" {
		req.Header.Set("baggage", baggage)
	}
	if token := identity.TokenOf(ctx); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return serve(h, req, cancel)
}

// withoutValues is a context that ends with the context of the caller but has none of its values, as after a call over
// a network. Otherwise the called app would see the caller's router and identity.
type withoutValues struct{ context.Context }

// Value implements context.Context.
func (withoutValues) Value(any) any { return nil }

// Subscribe implements sidecar.Subscriber.
func (m *Mesh) Subscribe(topic string, h sidecar.Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.handlers[topic] = append(m.handlers[topic], h)
}

// maxAttempts is how often a message is delivered before it is dropped.
const maxAttempts = 5

// Publish implements sidecar.Publisher. It delivers the messages in order before it returns.
func (m *Mesh) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	m.sent[topic] = append(m.sent[topic], messages...)
	handlers := append([]sidecar.Handler(nil), m.handlers[topic]...)
	m.mu.Unlock()
	for _, h := range handlers {
		var pending []sidecar.Delivery
		for _, msg := range messages {
			d := sidecar.Delivery{ID: msg.ID, Topic: topic, Data: clone(msg.Data),
				TraceParent: cmp.Or(msg.TraceParent, telemetry.TraceParent(ctx))}
			pending = append(pending, d)
		}
		for range maxAttempts {
			if pending = deliver(withoutValues{ctx}, h, pending); len(pending) == 0 {
				break
			}
		}
	}
	return nil
}

// deliver calls a handler with a batch and returns the deliveries that must be repeated.
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

// Sent returns the messages that were published to a topic.
func (m *Mesh) Sent(topic string) []sidecar.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]sidecar.Message(nil), m.sent[topic]...)
}

// Bind implements sidecar.Binder. It only records the call: see Bindings.
func (m *Mesh) Bind(_ context.Context, binding, operation string, data []byte, metadata map[string]string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bindings = append(m.bindings, Bound{binding, operation, clone(data), metadata})
	return nil
}

// Bindings returns the calls of output bindings.
func (m *Mesh) Bindings() []Bound {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Bound(nil), m.bindings...)
}
