package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// DeadLetter is an event that could not be handled.
type DeadLetter struct {
	ID     string         `json:"-"` // source, partition and number in the log, separated by colons
	Event  contract.Event `json:"event"`
	Reason string         `json:"reason"` // the error of the last attempt
	At     time.Time      `json:"at"`     // the time of the last attempt
	Tries  int            `json:"tries"`  // the attempt that made it a dead letter, and all since
}

// A delivery that is not an event becomes a dead letter of this source, which has no log.
var (
	unknownSource      = Log{Source: "unknown"}
	errInvalidDelivery = errors.New("the delivery is not an event")
)

// eventOfInvalid makes an event of a delivery that is none, so that it can be stored as a dead letter.
func eventOfInvalid(d sidecar.Delivery) contract.Event {
	e := contract.Event{ID: d.ID, Source: unknownSource.Source, Data: d.Data}
	if !json.Valid(d.Data) {
		e.Data, _ = json.Marshal(string(d.Data))
	}
	return e
}

func (l Log) deadLetterKey(n uint64) string { return l.key("parked") + "/" + strconv.FormatUint(n, 10) }

func (l Log) deadLetterID(n uint64) string {
	return l.Source + ":" + l.Partition + ":" + strconv.FormatUint(n, 10)
}

var errNoDeadLetter = fault.Missing("dead letter")

func parseDeadLetterID(id string) (Log, uint64, error) {
	source, rest, ok := strings.Cut(id, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i < 0 {
		return Log{}, 0, errNoDeadLetter
	}
	n, err := strconv.ParseUint(rest[i+1:], 10, 64)
	if err != nil {
		return Log{}, 0, errNoDeadLetter
	}
	return Log{Source: source, Partition: rest[:i]}, n, nil
}

// addDeadLetter stores an event that could not be handled. It first reserves a number and then writes the document. A
// crash in between leaves a number without a document, and the event is delivered again because it was not
// acknowledged. So no event is lost, but one may become two dead letters.
func (c *Consumer) addDeadLetter(ctx context.Context, log Log, e contract.Event, why error) error {
	ctx = context.WithoutCancel(ctx)
	reserve := func(at *cursor, _ bool) (bool, error) { at.Parked++; return true, nil }
	at, err := sidecar.Update(ctx, c.o.State, log.cursorKey(), reserve)
	if err != nil {
		return fmt.Errorf("make %s a dead letter: %w", e.ID, err)
	}
	value, err := json.Marshal(DeadLetter{Event: e, Reason: why.Error(), At: c.o.Now().UTC(), Tries: 1})
	if err != nil {
		return fmt.Errorf("make %s a dead letter: %w", e.ID, err)
	}
	if err := c.o.State.Put(ctx, log.deadLetterKey(at.Parked), value, ""); err != nil {
		return fmt.Errorf("make %s a dead letter: %w", e.ID, err)
	}
	telemetry.Log(ctx).Error().Err(why).Str("event", e.ID).Str("type", e.Type).
		Str("deadLetter", log.deadLetterID(at.Parked)).Msg("an event became a dead letter")
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

// Bookmark is a position in the list of dead letters. The zero value is its beginning.
type Bookmark struct {
	Log
	Before uint64 `json:"before"` // the number of the last dead letter of the page before
}

// deadLetterPage is how many dead letters are read at once.
const deadLetterPage = 100

// DeadLetters returns at most limit dead letters: log by log, and the latest of each log first. next is nil at the end
// of the list.
func (c *Consumer) DeadLetters(
	ctx context.Context, from Bookmark, limit int,
) (list []DeadLetter, next *Bookmark, err error) {
	readers, err := c.allReaders(ctx)
	if err != nil {
		return nil, nil, err
	}
	list = []DeadLetter{}
	for _, r := range readers {
		order := r.log.compare(from.Log)
		if order < 0 {
			continue
		}
		at, err := c.readCursor(ctx, r.log)
		if err != nil {
			return nil, nil, err
		}
		n := at.Parked
		if order == 0 && from.Before > 0 {
			n = min(n, from.Before-1)
		}
		for n > 0 {
			var numbers []uint64
			for ; n > 0 && len(numbers) < deadLetterPage; n-- {
				numbers = append(numbers, n)
			}
			found, err := c.readDeadLetters(ctx, r.log, numbers)
			if err != nil {
				return nil, nil, err
			}
			for _, d := range found {
				if len(list) == limit {
					log, number, err := parseDeadLetterID(list[limit-1].ID)
					return list, &Bookmark{log, number}, err
				}
				list = append(list, d)
			}
		}
	}
	return list, nil, nil
}

// readDeadLetters reads the dead letters with these numbers. It leaves out those that were replayed or discarded.
func (c *Consumer) readDeadLetters(ctx context.Context, log Log, numbers []uint64) (list []DeadLetter, err error) {
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = log.deadLetterKey(n)
	}
	items, err := c.o.State.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, n := range numbers {
		item, ok := items[keys[i]]
		if !ok {
			continue
		}
		d := DeadLetter{ID: log.deadLetterID(n)}
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// Replay handles a dead letter once more and deletes it if that succeeds. Problems: not-found (404), and not-handled
// (409) with the error of the handler as the member reason.
func (c *Consumer) Replay(ctx context.Context, id string) error {
	log, n, err := parseDeadLetterID(id)
	if err != nil {
		return err
	}
	item, err := c.o.State.Get(ctx, log.deadLetterKey(n))
	if err != nil {
		return err
	}
	if !item.Found() {
		return errNoDeadLetter
	}
	var d DeadLetter
	if err := sidecar.DecodeJSON(item, &d); err != nil {
		return err
	}
	r := c.reader(ctx, log)
	if !r.lock(ctx) {
		return ctx.Err()
	}
	defer r.unlock()
	failed := errInvalidDelivery
	if log != unknownSource {
		failed = c.callHandler(ctx, d.Event)
	}
	if failed == nil {
		return c.o.State.Delete(ctx, item.Key, "")
	}
	d.Reason, d.At, d.Tries = failed.Error(), c.o.Now().UTC(), d.Tries+1
	value, err := json.Marshal(d)
	if err == nil {
		err = c.o.State.Put(ctx, item.Key, value, item.ETag)
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot store why a dead letter failed again")
	}
	return fault.New(fault.Conflict, "not-handled", "The event could not be handled this time either.").
		With("reason", failed.Error()).Because(failed)
}

// Discard deletes a dead letter. Problem: not-found (404).
func (c *Consumer) Discard(ctx context.Context, id string) error {
	log, n, err := parseDeadLetterID(id)
	if err != nil {
		return err
	}
	item, err := c.o.State.Get(ctx, log.deadLetterKey(n))
	if err == nil && !item.Found() {
		err = errNoDeadLetter
	}
	if err != nil {
		return err
	}
	return c.o.State.Delete(ctx, item.Key, "")
}

// DiscardMatching deletes the dead letters whose events match, in all logs. It is for erasing the data of a person.
func (c *Consumer) DiscardMatching(ctx context.Context, match func(contract.Event) bool) error {
	var at Bookmark
	for {
		list, next, err := c.DeadLetters(ctx, at, deadLetterPage)
		if err != nil {
			return err
		}
		for _, d := range list {
			if !match(d.Event) {
				continue
			}
			if err := c.Discard(ctx, d.ID); err != nil && !errors.Is(err, errNoDeadLetter) {
				return err
			}
		}
		if next == nil {
			return nil
		}
		at = *next
	}
}
