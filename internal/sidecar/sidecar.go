// Package sidecar holds the ports through which services use Dapr: state, publish and subscribe,
// invocation, bindings and secrets. Adapter: internal/sidecar/daprd. Double: internal/sidecar/memory.
// Both pass the suites of internal/sidecar/sidecartest.
//
// On every call the trace context, the request id and the caller's access token of ctx travel along,
// and a deadline holds: ctx's own or the adapter's default, whichever is sooner (but see
// Request.Unbounded).
package sidecar

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"haberdash/internal/telemetry"
)

// Errors of the ports; compare with errors.Is. Any other error of a write means that its outcome is
// unknown: it may have happened, or may happen yet.
var (
	ErrExists      = errors.New("sidecar: the key exists already")
	ErrStale       = errors.New("sidecar: the value has changed since it was read")
	ErrUnavailable = errors.New("sidecar: the target cannot be reached")
)

// Item is a stored value. An Item without an ETag does not exist.
type Item struct {
	Key   string
	Value []byte
	ETag  string // opaque version; changes with each write

	TTL time.Duration // of what PutMany and PutManyIf write: see the option of that name; never read
}

// Found reports whether the item exists.
func (i Item) Found() bool { return i.ETag != "" }

// State is one state store, seen by one app: keys of different apps never meet.
//
// Keys are non-empty printable ASCII without "||"; values are bytes, at least one and at most about 1 MB.
type State interface {
	// Get reads one key. A missing key is an Item that is not Found, and no error.
	Get(ctx context.Context, key string) (Item, error)
	// GetMany reads keys in any number; the answer has those that exist.
	GetMany(ctx context.Context, keys []string) (map[string]Item, error)
	// Create writes the value if the key is absent: of any number of contenders exactly one gets nil,
	// the others ErrExists. When the outcome of the write is in doubt, and the store answers at all, the key
	// is read back and the values compared: so a caller whose values are unique (a writer id inside) is never
	// told ErrExists of its own write.
	Create(ctx context.Context, key string, value []byte, opts ...PutOption) error
	// Put writes the value. With an etag only if the key still has it, else ErrStale; with none always. Redis lets
	// an etag pass for a key that is gone: where a change must not bring back what was deleted, do not delete it.
	Put(ctx context.Context, key string, value []byte, etag string, opts ...PutOption) error
	// PutMany writes all items unconditionally, in no order; after an error some may be written.
	PutMany(ctx context.Context, items []Item) error
	// PutManyIf writes each item whose key still has the item's ETag, or is absent for an item without
	// one. Nil means that all were written; after an error any of them may have been.
	PutManyIf(ctx context.Context, items []Item) error
	// Delete removes the key; a missing key is no error. The etag is as in Put.
	Delete(ctx context.Context, key, etag string) error
}

// PutOptions are what a write may ask for.
type PutOptions struct{ TTL time.Duration }

// PutOption changes one of them.
type PutOption func(*PutOptions)

// TTL lets the key vanish after d, rounded up to seconds.
func TTL(d time.Duration) PutOption { return func(o *PutOptions) { o.TTL = d } }

// Options applies opts, for adapters.
func Options(opts []PutOption) (o PutOptions) {
	for _, f := range opts {
		f(&o)
	}
	return o
}

// Message is an event on its way.
type Message struct {
	ID   string // unique per event; a repetition carries the same
	Key  string // messages of one key keep their order, where the broker can
	Data []byte // JSON
}

// Publisher sends messages to a topic: at least once, and nil only when the broker has all of them.
// After an error some may have been sent.
type Publisher interface {
	Publish(ctx context.Context, topic string, messages []Message) error
}

// Outcome tells the broker what became of a delivery.
type Outcome int

// The outcomes.
const (
	Done  Outcome = iota // handled, do not send again
	Retry                // not now: send again, and after the policy's last attempt to the dead letters
	Drop                 // can never be handled: to the dead letters if there are any
)

// Delivery is a message that arrived. It may arrive again, late, or out of order.
type Delivery struct {
	ID          string
	Topic       string
	Data        []byte
	TraceParent string // of the publisher's trace, empty if it had none
}

// Within continues the delivery's trace in ctx.
func (d Delivery) Within(ctx context.Context) context.Context {
	return telemetry.WithTrace(ctx, telemetry.NewTrace(d.TraceParent, ""))
}

// Handler handles deliveries of one subscription that arrived together, at least one, in the order in which
// they came, and says of each what became of it. One without an answer is sent again.
type Handler func(context.Context, []Delivery) []Outcome

// Each makes a Handler that takes deliveries one by one, each within its own trace.
func Each(h func(context.Context, Delivery) Outcome) Handler {
	return func(ctx context.Context, deliveries []Delivery) []Outcome {
		outcomes := make([]Outcome, len(deliveries))
		for i, d := range deliveries {
			outcomes[i] = h(d.Within(ctx), d)
		}
		return outcomes
	}
}

// Subscriber takes handlers for topics. Register all before the service starts.
type Subscriber interface {
	Subscribe(topic string, h Handler)
}

// Request calls another app's HTTP API.
type Request struct {
	App    string
	Method string
	Path   string // begins with "/", escaped
	Query  url.Values
	Header http.Header
	Body   io.Reader

	// Unbounded leaves the deadline to ctx alone: for event streams and imports, which outlive the default.
	Unbounded bool
}

// Response answers a Request; the caller closes Body.
type Response struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// Invoker calls other apps by their id. ErrUnavailable means that no answer came from the app itself;
// the request may have reached it all the same.
type Invoker interface {
	Invoke(ctx context.Context, r Request) (*Response, error)
}

// Binder uses an output binding, such as mail.
type Binder interface {
	Bind(ctx context.Context, binding, operation string, data []byte, metadata map[string]string) error
}

// Secrets reads from the secret store. A missing secret is an error that names it.
type Secrets interface {
	Secret(ctx context.Context, name string) (string, error)
}
