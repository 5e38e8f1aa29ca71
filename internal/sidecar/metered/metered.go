// Package metered measures the calls that an app makes of its sidecar. It decorates the ports of internal/sidecar, so
// that one place measures all of them, and measures what the app waits for: a call of a port may be several of the
// sidecar, such as a write and the read that finds out what became of it.
package metered

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

// Calls measures calls as the histogram sidecar_call_duration_seconds, by operation, target and outcome.
type Calls struct{ seconds *prometheus.HistogramVec }

// New registers the histogram.
func New(reg prometheus.Registerer) *Calls {
	c := &Calls{prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "sidecar_call_duration_seconds",
		Help:    "Time of a call of the sidecar until its answer begins, by operation, target and outcome.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"operation", "target", "outcome"})}
	reg.MustRegister(c.seconds)
	return c
}

// outcome is how a call ended.
type outcome int

const (
	ok       outcome = iota
	conflict         // another writer was faster, or the object has another state
	notFound
	refused  // the call is wrong, or not allowed
	failed   // the target does not answer, or has a bug
	timeout  // the target has not answered in time
	canceled // the app did not need the answer any more, for example because its client has left
)

var outcomes = [...]string{
	ok: "ok", conflict: "conflict", notFound: "not-found", refused: "refused", failed: "failed", timeout: "timeout",
	canceled: "canceled",
}

// other is the target of calls whose target is in no closed set.
const other = "other"

// operation measures the calls of one operation with one target.
type operation struct {
	observers [len(outcomes)]func() prometheus.Observer
}

// of returns the measurement of an operation. A series exists from its first call on, because most combinations of
// operation and outcome never occur.
func (c *Calls) of(name, target string) *operation {
	o := &operation{}
	for i, result := range outcomes {
		o.observers[i] = sync.OnceValue(func() prometheus.Observer {
			return c.seconds.WithLabelValues(name, target, result)
		})
	}
	return o
}

// observe records a call that began at a time.
func (o *operation) observe(began time.Time, result outcome) {
	o.observers[result]().Observe(time.Since(began).Seconds())
}

// outcomeOf returns the outcome of a call that returned err.
func outcomeOf(ctx context.Context, err error) outcome {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, sidecar.ErrExists), errors.Is(err, sidecar.ErrStale):
		return conflict
	case errors.Is(err, sidecar.ErrNotRunning):
		return notFound
	case errors.Is(ctx.Err(), context.Canceled):
		return canceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		return timeout
	}
	switch status.Code(err) {
	case codes.NotFound:
		return notFound
	case codes.DeadlineExceeded:
		return timeout
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated:
		return refused
	}
	return failed
}

// outcomeOfStatus returns the outcome of an invocation that was answered with an HTTP status.
func outcomeOfStatus(code int) outcome {
	switch {
	case code < 400:
		return ok
	case code == http.StatusNotFound || code == http.StatusGone:
		return notFound
	case code == http.StatusConflict || code == http.StatusPreconditionFailed:
		return conflict
	case code < 500:
		return refused
	}
	return failed
}

// closedSet has the measurements of one operation by target. Targets that it was not made with are "other".
type closedSet map[string]*operation

func (c *Calls) ofEach(name string, targets []string) closedSet {
	set := closedSet{other: c.of(name, other)}
	for _, target := range targets {
		set[target] = c.of(name, target)
	}
	return set
}

func (s closedSet) of(target string) *operation {
	if o := s[target]; o != nil {
		return o
	}
	return s[other]
}

// Invoker measures invocations until their answers begin, by app: apps are all that there are.
func (c *Calls) Invoker(next sidecar.Invoker, apps []string) sidecar.Invoker {
	return &invoker{next, c.ofEach("invoke", apps)}
}

type invoker struct {
	next sidecar.Invoker
	apps closedSet
}

// Invoke implements sidecar.Invoker.
func (i *invoker) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	began := time.Now()
	res, err := i.next.Invoke(ctx, r)
	result := outcomeOf(ctx, err)
	if err == nil {
		result = outcomeOfStatus(res.Status)
	}
	i.apps.of(r.App).observe(began, result)
	return res, err
}

// Publisher measures publications through a component.
func (c *Calls) Publisher(next sidecar.Publisher, component string) sidecar.Publisher {
	return &publisher{next, c.of("publish", component)}
}

type publisher struct {
	next    sidecar.Publisher
	publish *operation
}

// Publish implements sidecar.Publisher.
func (p *publisher) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	began := time.Now()
	err := p.next.Publish(ctx, topic, messages)
	p.publish.observe(began, outcomeOf(ctx, err))
	return err
}

// Binder measures the calls of bindings, by component: components are all that there are.
func (c *Calls) Binder(next sidecar.Binder, components ...string) sidecar.Binder {
	return &binder{next, c.ofEach("bind", components)}
}

type binder struct {
	next       sidecar.Binder
	components closedSet
}

// Bind implements sidecar.Binder.
func (b *binder) Bind(
	ctx context.Context, binding, operation string, data []byte, metadata map[string]string,
) error {
	began := time.Now()
	err := b.next.Bind(ctx, binding, operation, data, metadata)
	b.components.of(binding).observe(began, outcomeOf(ctx, err))
	return err
}

// Secrets measures reads of secrets from a component.
func (c *Calls) Secrets(next sidecar.Secrets, component string) sidecar.Secrets {
	return &secrets{next, c.of("secret", component)}
}

type secrets struct {
	next sidecar.Secrets
	read *operation
}

// Secret implements sidecar.Secrets.
func (s *secrets) Secret(ctx context.Context, name string) (string, error) {
	began := time.Now()
	value, err := s.next.Secret(ctx, name)
	s.read.observe(began, outcomeOf(ctx, err))
	return value, err
}
