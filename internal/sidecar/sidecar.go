// Package sidecar defines the ports through which services use Dapr: state, publishing and subscriptions, invocation,
// bindings, secrets and workflows. Package daprd implements them with a Dapr sidecar, package memory in memory for
// tests. Both pass the conformance suites of package sidecartest.
//
// Every call passes on the trace, the request id and the access token of its context. It ends at the deadline of the
// context or after the timeout of the adapter, whichever is sooner (but see Request.Unbounded).
package sidecar

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/telemetry"
)

// Errors of the ports, for errors.Is. After any other error of a write, its outcome is unknown: it may have happened,
// or may still happen.
var (
	ErrExists      = errors.New("sidecar: the key exists already")
	ErrStale       = errors.New("sidecar: the value has changed since it was read")
	ErrUnavailable = errors.New("sidecar: the app is unavailable")
)

// Item is a value in a state store.
type Item struct {
	Key   string
	Value []byte
	ETag  string // opaque version, which changes with each write; empty if the key does not exist

	TTL time.Duration // for PutMany and PutManyIf: see the option TTL. Reads leave it zero.
}

// Found reports whether the key exists.
func (i Item) Found() bool { return i.ETag != "" }

// MaxValue is the largest value of a state store, in bytes. It is far below the largest message of a sidecar, 4 MB.
const MaxValue = 1 << 20

// State is the state store of one app. Other apps have other keys. It is safe for concurrent use.
//
// Keys are non-empty printable ASCII without "||". Values are bytes: at least one, and at most MaxValue.
//
// Each method returns nil, one of the errors that it names, an error that is context.Canceled if the caller has
// cancelled ctx, or the fault of StoreUnavailable. So a caller returns the errors as they are.
type State interface {
	// Get reads one key. For a key that does not exist it returns an Item that is not Found, and no error.
	Get(ctx context.Context, key string) (Item, error)
	// GetMany reads any number of keys and returns the items that exist.
	GetMany(ctx context.Context, keys []string) (map[string]Item, error)
	// Create writes the value if the key does not exist. Of any number of concurrent calls exactly one returns nil, the
	// others return ErrExists. If the outcome of the write is unknown but the store answers, Create reads the key back
	// and compares the values: a caller whose values are unique never gets ErrExists for its own write.
	Create(ctx context.Context, key string, value []byte, opts ...PutOption) error
	// Put writes the value: unconditionally if etag is empty, otherwise only if the key still has this ETag. It returns
	// ErrStale if it has not. Redis ignores the ETag if the key was deleted meanwhile, so do not delete keys that a
	// concurrent Put must not create again.
	Put(ctx context.Context, key string, value []byte, etag string, opts ...PutOption) error
	// PutMany writes all items unconditionally and in any order. After an error it may have written some of them.
	PutMany(ctx context.Context, items []Item) error
	// PutManyIf writes each item on a condition: the key still has the ETag of the item, or does not exist if the item
	// has no ETag. It returns nil if all items were written. After an error, which may be ErrExists or ErrStale, it may
	// have written any of them.
	PutManyIf(ctx context.Context, items []Item) error
	// Delete deletes the key, on the same condition as Put. A key that does not exist is no error.
	Delete(ctx context.Context, key, etag string) error
}

// PutOptions are the options of a write.
type PutOptions struct{ TTL time.Duration }

// PutOption sets an option of a write.
type PutOption func(*PutOptions)

// TTL deletes the key after d, rounded up to whole seconds. Without it, or with zero, the key stays.
func TTL(d time.Duration) PutOption { return func(o *PutOptions) { o.TTL = d } }

// Options returns the result of opts, for adapters.
func Options(opts []PutOption) (o PutOptions) {
	for _, f := range opts {
		f(&o)
	}
	return o
}

// Message is an event to publish, as a CloudEvent.
type Message struct {
	ID          string // unique for each event; a repeated message has the same
	Key         string // the broker delivers messages of one key in order, if it can
	Data        []byte // JSON
	TraceParent string // of the command that caused the event; empty: that of the publisher's context

	// Attributes of the CloudEvent. Subscriptions can route by them. Those that are empty have the sidecar's defaults.
	Source  string // the app
	Type    string // such as "order.confirmed"
	Subject string // what the event is about
	Time    time.Time
	Schema  string // URI of the schema of Data
	Version int    // of the shape of the event's data
}

// Publisher publishes messages to topics, at least once. Publish returns nil when the broker has stored all messages.
// After an error it may have published some of them.
type Publisher interface {
	Publish(ctx context.Context, topic string, messages []Message) error
}

// Outcome tells the broker the result of a delivery.
type Outcome int

// The outcomes.
const (
	Done  Outcome = iota // handled: do not deliver again
	Retry                // deliver again, and to the dead-letter topic after the last attempt of the retry policy
	Drop                 // cannot be handled: deliver to the dead-letter topic, if there is one
)

// Delivery is a message that the broker delivers. It may be delivered late, out of order, and more than once.
type Delivery struct {
	ID          string
	Topic       string
	Data        []byte
	TraceParent string // the trace of the publisher, empty if there was none
}

// Enter starts a span that continues the trace of the delivery. The caller ends it.
func (d Delivery) Enter(ctx context.Context) (context.Context, trace.Span) {
	ctx, span := telemetry.Enter(ctx, "process "+d.Topic, telemetry.Entry{
		Kind: trace.SpanKindConsumer, TraceParent: d.TraceParent, Unrecorded: d.TraceParent == "",
	})
	if span.IsRecording() {
		span.SetAttributes(semconv.MessagingSystemKey.String("dapr"), semconv.MessagingOperationTypeProcess,
			semconv.MessagingDestinationName(d.Topic), semconv.MessagingMessageID(d.ID))
	}
	return ctx, span
}

// Handler handles deliveries of one subscription that arrive together: at least one, in the order of their arrival. It
// returns the outcome of each delivery. A delivery without an outcome is delivered again.
type Handler func(context.Context, []Delivery) []Outcome

// Each makes a Handler that handles deliveries one by one, each within its own trace.
func Each(h func(context.Context, Delivery) Outcome) Handler {
	return func(ctx context.Context, deliveries []Delivery) []Outcome {
		outcomes := make([]Outcome, len(deliveries))
		for i, d := range deliveries {
			within, span := d.Enter(ctx)
			outcomes[i] = h(within, d)
			span.End()
		}
		return outcomes
	}
}

// Subscriber registers handlers of topics. Register all of them before the service starts.
type Subscriber interface {
	Subscribe(topic string, h Handler)
}

// Request is a call of another app's HTTP API.
type Request struct {
	App    string
	Method string
	Path   string // begins with "/", and is escaped
	Query  url.Values
	Header http.Header
	Body   io.Reader

	// Unbounded means that the call has no timeout but the deadline of its context: for event streams and imports,
	// which take longer than the timeout of the adapter.
	Unbounded bool
}

// Response is the response to a Request. The caller must close Body.
type Response struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// Invoker calls other apps by their ids. It returns ErrUnavailable if the app itself has not answered; the request may
// have reached it all the same.
type Invoker interface {
	Invoke(ctx context.Context, r Request) (*Response, error)
}

// Binder calls output bindings, such as mail.
type Binder interface {
	Bind(ctx context.Context, binding, operation string, data []byte, metadata map[string]string) error
}

// Secrets reads secrets from the secret store. For a secret that does not exist it returns an error with its name.
type Secrets interface {
	Secret(ctx context.Context, name string) (string, error)
}
