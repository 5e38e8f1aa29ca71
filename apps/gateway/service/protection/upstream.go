package protection

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/rs/zerolog"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Upstream protects the gateway and one app from each other: two bulkheads bound the requests and the event streams
// that are in progress, and a circuit breaker stops requests to an app that does not answer. An Upstream is safe for
// concurrent use.
type Upstream struct {
	app               string
	invoker           sidecar.Invoker
	requests, streams bulkhead.Bulkhead[any]
	breaker           *breaker
}

// maxConcurrent bounds the requests to one app that are in progress, and the event streams apart from them. Requests
// wait in the gateway's memory while an app is slow.
const maxConcurrent = 1000

var errFull = errors.New("too many requests in progress")

// NewUpstream returns the protection of one app, which invoker calls. Safe requests are repeated: see repeater.
func NewUpstream(app string, invoker sidecar.Invoker, log zerolog.Logger) *Upstream {
	return &Upstream{
		app: app, invoker: newRepeater(invoker),
		requests: bulkhead.New[any](maxConcurrent), streams: bulkhead.New[any](maxConcurrent),
		breaker: newBreaker(log.With().Str("upstream", app).Logger()),
	}
}

// Acquire takes a slot for a request, or for an event stream, without waiting. The caller must call release when the
// request has ended. Problem: unavailable (503), if all slots are taken.
//
// It uses the bulkhead by hand, because an execution of the library does not release its slot when a handler panics,
// as the proxy does when a client leaves in the middle of an answer.
func (u *Upstream) Acquire(stream bool) (release func(), err error) {
	slots := u.requests
	if stream {
		slots = u.streams
	}
	if !slots.TryAcquirePermit() {
		return nil, Unavailable(u.app, time.Second, errFull)
	}
	return slots.ReleasePermit, nil
}

// Invoke calls the app through the circuit breaker. An app that answers is healthy, whatever the answer is. A failure
// says nothing about the app if the client has left or clientFailed returns true. Errors: unavailable (503) while the
// circuit breaker is open, and the invoker's own.
func (u *Upstream) Invoke(ctx context.Context, r sidecar.Request, clientFailed func() bool) (
	res *sidecar.Response, err error,
) {
	period, err := u.breaker.acquire()
	if err != nil {
		return nil, Unavailable(u.app, openTime, err)
	}
	result := failure // if Invoke panics
	defer func() { u.breaker.record(period, result) }()
	res, err = u.invoker.Invoke(ctx, r)
	switch {
	case err == nil:
		result = success
	case clientFailed() || errors.Is(ctx.Err(), context.Canceled):
		result = ignored
	}
	return res, err
}

// Unavailable is the problem of an app that does not answer: unavailable (503).
func Unavailable(app string, retryAfter time.Duration, cause error) error {
	return fault.New(fault.Unavailable, "unavailable", "A part of the shop does not answer just now.").
		After(retryAfter).With("service", app).Because(cause)
}
