package protection

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry/field"
)

// Upstream protects the gateway and one app from each other: places bound the requests that are in progress, and a
// circuit breaker stops requests to an app that does not answer. An Upstream is safe for concurrent use.
type Upstream struct {
	app      string
	invoker  sidecar.Invoker
	places   map[Kind]*places
	breaker  *breaker
	refusals Refusals
}

// NewUpstream returns the protection of one app, which invoker calls. One caller may have callerShare percent of the
// places of each kind, and all of them if it is 0. Safe requests are repeated: see repeater.
func NewUpstream(
	app string, invoker sidecar.Invoker, callerShare int, refusals Refusals, log zerolog.Logger,
) *Upstream {
	u := &Upstream{
		app: app, invoker: newRepeater(invoker), places: map[Kind]*places{}, refusals: refusals,
		breaker: newBreaker(log.With().Str(field.Upstream, app).Logger()),
	}
	for kind, n := range maxPlaces {
		u.places[kind] = newPlaces(n, callerShare)
	}
	return u
}

// Acquire takes a place for a request without waiting. The caller must call release when the request has ended.
// Problems: too-many-requests (429), if the caller of the request has their share of the places; unavailable (503), if
// all places are taken.
func (u *Upstream) Acquire(r *http.Request, kind Kind) (release func(), err error) {
	release, err = u.places[kind].acquire(r)
	switch {
	case errors.Is(err, errFull):
		u.refusals[NoPlaces].Inc()
		return nil, Unavailable(u.app, time.Second, err)
	case err != nil:
		u.refusals[OverCallerShare].Inc()
	}
	return release, err
}

// Invoke calls the app through the circuit breaker. An app that answers is healthy, whatever the answer is. A failure
// says nothing about the app if the client has left or clientFailed returns true. Errors: unavailable (503) while the
// circuit breaker is open, and the invoker's own.
func (u *Upstream) Invoke(ctx context.Context, r sidecar.Request, clientFailed func() bool) (
	res *sidecar.Response, err error,
) {
	period, err := u.breaker.acquire()
	if err != nil {
		u.refusals[BreakerOpen].Inc()
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
