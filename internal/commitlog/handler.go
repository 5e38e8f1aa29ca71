package commitlog

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"haberdash/internal/contract"
	"haberdash/internal/telemetry"
)

// EventHandler handles an event. Nil means done. An error made with Poison means that it can never be handled;
// the event is parked and its log goes on. After any other error the event comes again, and everything behind
// it in its log waits. It is called at least once for each event, so it must be idempotent. An error's text is
// logged, stored and shown to administrators: it does not quote the event's data.
type EventHandler func(ctx context.Context, e contract.Event) error

// BatchHandler handles several events of one type, which follow each other in their log but for such as have no
// handler. After an error each of them goes alone to the type's EventHandler, so what was done must be harmless to
// repeat, and what can never be handled is for that to tell.
type BatchHandler func(ctx context.Context, events []contract.Event) error

// AtOnce handles events that do not depend on each other's order beside each other.
func AtOnce(h EventHandler) BatchHandler {
	return func(ctx context.Context, events []contract.Event) error {
		work, ctx := errgroup.WithContext(ctx)
		for _, e := range events {
			work.Go(func() error {
				return guarded(ctx, e, func(ctx context.Context) error { return h(ctx, e) })
			})
		}
		return work.Wait()
	}
}

// Poison marks an error that no repetition would end.
func Poison(err error) error { return poison{err} }

// IsPoison tells whether an error was made with Poison.
func IsPoison(err error) bool { return errors.As(err, &poison{}) }

type poison struct{ error }

func (p poison) Unwrap() error { return p.error }

// final tells whether an event is to be parked: not for a try that was broken off.
func final(ctx context.Context, err error, last bool) bool {
	return IsPoison(err) || last && ctx.Err() == nil
}

// handleTime bounds the handling of one event: below the sidecar's patience with a delivery, so that a handler
// that hangs is one that fails.
const handleTime = 20 * time.Second

// handle calls the event's handler; a panic is an error like any other, or it would block the log.
func (c *Consumer) handle(ctx context.Context, e contract.Event) (err error) {
	h := c.o.Handlers[e.Type]
	if h == nil {
		return nil
	}
	if err = guarded(ctx, e, func(ctx context.Context) error { return h(ctx, e) }); err == nil && c.handled != nil {
		c.handled(e)
	}
	return err
}

// guarded runs a handler, whose first event is e.
func guarded(ctx context.Context, e contract.Event, h func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			telemetry.Log(ctx).Error().Str("event", e.ID).Bytes("stack", debug.Stack()).Msg("a handler panicked")
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, handleTime)
	defer cancel()
	return h(ctx)
}

// batchMost bounds what a BatchHandler gets at once, and so what a crash may repeat.
const batchMost = 50

// together handles the events that are next, as many as one BatchHandler serves, and moves the cursor on. It answers
// how many: 0 when there is nothing to handle together. After an error each event is to be handled alone.
func (c *Consumer) together(ctx context.Context, r *reader, next []contract.Event) (int, error) {
	var mine []contract.Event
	n := 0
	for at := r.progress().Position; n < len(next) && len(mine) < batchMost && next[n].Position == at+uint64(n)+1; n++ {
		e := next[n]
		switch {
		case c.o.Handlers[e.Type] == nil:
			continue
		case c.o.Batches[e.Type] != nil && (len(mine) == 0 || mine[0].Type == e.Type):
			mine = append(mine, e)
			continue
		}
		break
	}
	if len(mine) < 2 {
		return 0, nil
	}
	err := guarded(ctx, mine[0], func(ctx context.Context) error { return c.o.Batches[mine[0].Type](ctx, mine) })
	if err != nil {
		telemetry.Log(ctx).Info().Err(err).Str("event", mine[0].ID).Int("events", len(mine)).Msg("not handled together, each goes alone")
		return 0, err
	}
	for _, e := range mine {
		if c.handled != nil {
			c.handled(e)
		}
	}
	r.applied(next[n-1].Position)
	return n, nil
}
