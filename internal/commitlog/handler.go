package commitlog

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/telemetry"
)

// EventHandler handles an event. Nil means done. An error made with Poison means that it can never be handled;
// the event is parked and its log goes on. After any other error the event comes again, and everything behind
// it in its log waits. It is called at least once for each event, so it must be idempotent. An error's text is
// logged, stored and shown to administrators: it does not quote the event's data.
type EventHandler func(ctx context.Context, e contract.Event) error

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
	if err = h(ctx, e); err == nil && c.handled != nil {
		c.handled(e)
	}
	return err
}
