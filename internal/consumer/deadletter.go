package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"haberdash/internal/consumer/consumerstore"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// A delivery that is not an event becomes a dead letter of this source, which has no log.
var (
	unknownSource      = Log{Source: "unknown"}
	errInvalidDelivery = errors.New("the delivery is not an event")
)

// eventOfInvalid makes an event of a delivery that is none, so that it can be stored as a dead letter.
func eventOfInvalid(d sidecar.Delivery) contract.Event {
	e := contract.Event{ID: d.ID[:min(len(d.ID), maxName)], Source: unknownSource.Source, Data: d.Data}
	if !json.Valid(d.Data) {
		e.Data, _ = json.Marshal(string(d.Data))
	}
	return e
}

// addDeadLetter stores an event that could not be handled, even if ctx has ended.
func (c *Consumer) addDeadLetter(ctx context.Context, log Log, e contract.Event, why error) error {
	d := DeadLetter{Event: e, Reason: why.Error(), At: c.o.Now().UTC(), Tries: 1}
	id, err := c.store.AddDeadLetter(context.WithoutCancel(ctx), log, d)
	if err != nil {
		return fmt.Errorf("make %s a dead letter: %w", e.ID, err)
	}
	c.metrics.countDeadLetter(e)
	telemetry.Log(ctx).Error().Err(why).Str(field.EventID, e.ID).Str(field.EventType, e.Type).Str(field.DeadLetter, id).
		Msg("an event became a dead letter")
	return nil
}

// toDeadLetter makes an event without a position a dead letter and returns the outcome of its delivery.
func (c *Consumer) toDeadLetter(ctx context.Context, log Log, e contract.Event, why error) sidecar.Outcome {
	c.reader(ctx, log) // adds the log to the list of logs, whose dead letters are listed
	if err := c.addDeadLetter(ctx, log, e, why); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot store a dead letter, will try again")
		return sidecar.Retry
	}
	return sidecar.Done
}

// DeadLetters returns at most limit dead letters: log by log, and the latest of each log first. next is nil at the end
// of the list.
func (c *Consumer) DeadLetters(
	ctx context.Context, from Bookmark, limit int,
) (list []DeadLetter, next *Bookmark, err error) {
	readers, err := c.allReaders(ctx)
	if err != nil {
		return nil, nil, err
	}
	logs := make([]Log, len(readers))
	for i, r := range readers {
		logs[i] = r.log
	}
	return c.store.DeadLetters(ctx, logs, from, limit)
}

// Replay handles a dead letter once more and deletes it if that succeeds. Problems: not-found (404), and not-handled
// (409) with the error of the handler as the member reason.
func (c *Consumer) Replay(ctx context.Context, id string) error {
	log, d, err := c.store.DeadLetter(ctx, id)
	if err != nil {
		return err
	}
	r := c.reader(ctx, log)
	if !r.lock(ctx) {
		return ctx.Err()
	}
	defer r.unlock()
	failed := errInvalidDelivery
	if log != unknownSource {
		failed = c.callHandler(ctx, d.Event, true)
	}
	if failed == nil {
		err := c.store.DeleteDeadLetter(ctx, id)
		if errors.Is(err, consumerstore.ErrNoDeadLetter) { // discarded meanwhile
			return nil
		}
		return err
	}
	if err := c.store.AddAttempt(ctx, id, failed.Error(), c.o.Now().UTC()); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot store why a dead letter failed again")
	}
	return fault.New(fault.Conflict, "not-handled", "The event could not be handled this time either.").
		With("reason", failed.Error()).Because(failed)
}

// Discard deletes a dead letter. Problem: not-found (404).
func (c *Consumer) Discard(ctx context.Context, id string) error {
	return c.store.DeleteDeadLetter(ctx, id)
}

// discardPage is how many dead letters DiscardMatching reads at once.
const discardPage = 100

// DiscardMatching deletes the dead letters whose events match, in all logs. It is for erasing the data of a person.
func (c *Consumer) DiscardMatching(ctx context.Context, match func(contract.Event) bool) error {
	var at Bookmark
	for {
		list, next, err := c.DeadLetters(ctx, at, discardPage)
		if err != nil {
			return err
		}
		for _, d := range list {
			if !match(d.Event) {
				continue
			}
			if err := c.Discard(ctx, d.ID); err != nil && !errors.Is(err, consumerstore.ErrNoDeadLetter) {
				return err
			}
		}
		if next == nil {
			return nil
		}
		at = *next
	}
}

// Export writes what the consumer stores to put: the list of logs, the cursors and the dead letters. It implements
// transfer.Source.
func (c *Consumer) Export(ctx context.Context, put func(sidecar.Item) error) error {
	readers, err := c.allReaders(ctx)
	if err != nil {
		return err
	}
	if err := c.store.ExportLogs(ctx, put); err != nil {
		return err
	}
	for _, r := range readers {
		if err := r.storeCursor(ctx); err != nil {
			return err
		}
		if err := c.store.Export(ctx, r.log, put); err != nil {
			return err
		}
	}
	return nil
}
