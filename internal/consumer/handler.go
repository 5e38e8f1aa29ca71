package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Handler applies an event to the app. It is called at least once for each event, so it must be idempotent.
//
// A Permanent error makes the event a dead letter, and its log continues. After any other error the broker delivers
// the event again, and the events behind it in its log wait. The text of an error is logged, stored and shown to
// administrators: it must not quote the event's data.
type Handler func(ctx context.Context, e contract.Event) error

// BatchHandler applies several events of one type, in the order of their log. Between them the log may have events
// without a handler. After an error, the Handler of the type handles each of the events again; only its errors can be
// permanent.
type BatchHandler func(ctx context.Context, events []contract.Event) error

// Concurrently makes a BatchHandler that calls h for all events of a batch concurrently. It is for events whose order
// does not matter.
func Concurrently(h Handler) BatchHandler {
	return func(ctx context.Context, events []contract.Event) error {
		work, ctx := errgroup.WithContext(ctx)
		for _, e := range events {
			work.Go(func() error {
				within := telemetry.WithBaggage(ctx, e.Baggage)
				return callWithTimeout(within, e, func(ctx context.Context) error { return h(ctx, e) })
			})
		}
		return work.Wait()
	}
}

// Permanent marks an error that would occur again at each further attempt.
func Permanent(err error) error { return permanent{err} }

// IsPermanent reports whether an error was marked by Permanent.
func IsPermanent(err error) bool { return errors.As(err, &permanent{}) }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// isFinal tells whether a failed event becomes a dead letter. An attempt that ctx has cut off does not count, whatever
// the handler has made of it.
func isFinal(ctx context.Context, err error, lastAttempt bool) bool {
	return ctx.Err() == nil && (IsPermanent(err) || lastAttempt)
}

// handlerTimeout limits the handling of one event or batch. It is shorter than the timeout of a delivery in the
// sidecar, so that a handler that hangs fails like any other.
const handlerTimeout = 20 * time.Second

// callHandler calls the handler of the event's type, if there is one. lastAttempt tells whether any error makes the
// event a dead letter.
func (c *Consumer) callHandler(ctx context.Context, e contract.Event, lastAttempt bool) error {
	h := c.o.Handlers[e.Type]
	if h == nil {
		return nil
	}
	started := time.Now()
	err := callWithTimeout(telemetry.WithBaggage(ctx, e.Baggage), e, func(ctx context.Context) error { return h(ctx, e) })
	c.metrics.observeCall(e.Type, started, err, isFinal(ctx, err, lastAttempt))
	if err == nil {
		c.metrics.observeLag(e)
	}
	return err
}

// callWithTimeout calls a handler whose first event is e. It turns a panic into an error, so that the event can become
// a dead letter.
func callWithTimeout(ctx context.Context, e contract.Event, h func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			telemetry.Log(ctx).Error().Str(field.EventID, e.ID).Bytes(field.Stack, debug.Stack()).Msg("a handler panicked")
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handlerTimeout)
	defer cancel()
	return h(ctx)
}

// refuseInvalid makes a delivery that is no event a dead letter.
func (c *Consumer) refuseInvalid(ctx context.Context, d sidecar.Delivery) sidecar.Outcome {
	ctx, span := d.Enter(ctx)
	defer telemetry.End(span, errInvalidDelivery)
	return c.toDeadLetter(ctx, unknownSource, eventOfInvalid(d), errInvalidDelivery)
}

// handleUnpositioned handles an event of a source without a log. Such events have no order, and are handled each time
// they are delivered.
func (c *Consumer) handleUnpositioned(ctx context.Context, a arrival, lastAttempt bool) sidecar.Outcome {
	e := a.event
	ctx, span := a.delivery.Enter(ctx)
	err := c.callHandler(ctx, e, lastAttempt)
	defer telemetry.End(span, err)
	switch {
	case err == nil:
		return sidecar.Done
	case isFinal(ctx, err, lastAttempt):
		return c.toDeadLetter(ctx, Log{Source: e.Source}, e, err)
	}
	telemetry.Log(ctx).Warn().Err(err).Str(field.EventID, e.ID).Str(field.EventType, e.Type).
		Msg("an event waits for its next delivery")
	return sidecar.Retry
}
