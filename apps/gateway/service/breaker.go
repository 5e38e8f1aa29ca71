package service

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"github.com/sony/gobreaker/v2"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// A breaker stops calling an app that does not answer, so that its callers are told at once and it is not
// buried under requests when it comes back. An app that answers, whatever it answers, is up.
type breaker struct {
	*gobreaker.CircuitBreaker[*sidecar.Response]
	requests, streams chan struct{} // under way
}

// maxUnderWay bounds the requests to one app, and the event streams: so many at most take memory here, and wait
// there, when it is slow.
const maxUnderWay = 1000

var errFull = errors.New("too many requests under way")

// enter takes a place among the requests under way; without one, the app is as good as down.
func (b *breaker) enter(stream bool) (leave func(), err error) {
	places := b.requests
	if stream {
		places = b.streams
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, down(b.Name(), time.Second, errFull)
	}
}

// Five failures in a row open it; after openFor a few requests try again (more than one, since an import may
// take minutes to answer).
const (
	failuresToOpen = 5
	openFor        = 2 * time.Second
)

// errClient marks failures that say nothing about the app: the client left, or sent a body that is too
// large or broken.
var errClient = errors.New("the client's doing")

func newBreaker(app string, log zerolog.Logger) *breaker {
	return &breaker{requests: make(chan struct{}, maxUnderWay), streams: make(chan struct{}, maxUnderWay), CircuitBreaker: gobreaker.NewCircuitBreaker[*sidecar.Response](gobreaker.Settings{
		Name: app, MaxRequests: 3, Timeout: openFor,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		IsExcluded:  func(err error) bool { return errors.Is(err, errClient) },
		OnStateChange: func(name string, from, to gobreaker.State) {
			log.Warn().Str("upstream", name).Stringer("from", from).Stringer("to", to).Msg("circuit breaker")
		},
	})}
}

// call invokes the app through the breaker.
func (b *breaker) call(ctx context.Context, inv sidecar.Invoker, r sidecar.Request, body *limitedBody) (*sidecar.Response, error) {
	res, err := b.Execute(func() (*sidecar.Response, error) {
		res, err := inv.Invoke(ctx, r)
		if err != nil && (body.failed() || errors.Is(ctx.Err(), context.Canceled)) {
			err = errors.Join(errClient, err)
		}
		return res, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return nil, down(b.Name(), openFor, err)
	}
	return res, err
}

// down is the problem of an app that does not answer.
func down(app string, after time.Duration, cause error) error {
	return fault.New(fault.Unavailable, "unavailable", "A part of the shop does not answer just now.").
		After(after).With("service", app).Because(cause)
}
