package commitlog

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

// Parked is an event that could not be handled and was put aside.
type Parked struct {
	ID     string         `json:"-"`
	Event  contract.Event `json:"event"`
	Reason string         `json:"reason"`
	At     time.Time      `json:"at"` // when it was tried last
	Tries  int            `json:"tries"`
}

// Deliveries that are no events are parked as one of this source, which keeps no log.
var (
	strays   = LogName{Source: "unknown"}
	errStray = errors.New("the delivery is not an event")
)

func stray(d sidecar.Delivery) contract.Event {
	e := contract.Event{ID: d.ID, Source: strays.Source, Data: d.Data}
	if !json.Valid(d.Data) {
		e.Data, _ = json.Marshal(string(d.Data))
	}
	return e
}

func (l LogName) parkedKey(n uint64) string { return l.key("parked") + "/" + strconv.FormatUint(n, 10) }

func (l LogName) parkedID(n uint64) string {
	return l.Source + ":" + l.Partition + ":" + strconv.FormatUint(n, 10)
}

var errNotParked = fault.Missing("dead letter")

func parseParkedID(id string) (LogName, uint64, error) {
	source, rest, ok := strings.Cut(id, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i < 0 {
		return LogName{}, 0, errNotParked
	}
	n, err := strconv.ParseUint(rest[i+1:], 10, 64)
	if err != nil {
		return LogName{}, 0, errNotParked
	}
	return LogName{Source: source, Partition: rest[:i]}, n, nil
}

// park puts an event aside. It takes a number first and writes the document then: a crash in between leaves a
// number without a document, and the event, which is not acknowledged, comes again. So nothing is lost, but an
// event may be parked twice.
func (c *Consumer) park(ctx context.Context, log LogName, e contract.Event, why error) error {
	ctx = context.WithoutCancel(ctx)
	place, err := c.amend(ctx, log, func(p progress) (progress, bool) { p.Parked++; return p, true })
	if err != nil {
		return fmt.Errorf("park %s: %w", e.ID, err)
	}
	value, err := json.Marshal(Parked{Event: e, Reason: why.Error(), At: c.o.Now().UTC(), Tries: 1})
	if err != nil {
		return fmt.Errorf("park %s: %w", e.ID, err)
	}
	if err := c.o.State.Put(ctx, log.parkedKey(place.Parked), value, ""); err != nil {
		return fmt.Errorf("park %s: %w", e.ID, err)
	}
	telemetry.Log(ctx).Error().Err(why).Str("event", e.ID).Str("type", e.Type).Str("deadLetter", log.parkedID(place.Parked)).Msg("event parked")
	return nil
}

// put parks an event that is in no log.
func (c *Consumer) put(ctx context.Context, log LogName, e contract.Event, why error) sidecar.Outcome {
	c.reader(ctx, log) // so that it is listed
	if err := c.park(ctx, log, e, why); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot park an event, will try again")
		return sidecar.Retry
	}
	return sidecar.Done
}

// Bookmark is a place in the list of parked events: the zero value is its beginning.
type Bookmark struct {
	LogName
	Before uint64 `json:"before"` // the number of the last one seen
}

// parkedPage is how many numbers are looked up at once; those of events that were replayed are empty.
const parkedPage = 100

// Parked lists parked events, at most limit: log by log, in each the latest first. next is nil at the end.
func (c *Consumer) Parked(ctx context.Context, from Bookmark, limit int) (list []Parked, next *Bookmark, err error) {
	if err := c.recall(ctx); err != nil {
		return nil, nil, err
	}
	list = []Parked{}
	for _, r := range c.all() {
		order := r.log.compare(from.LogName)
		if order < 0 {
			continue
		}
		var place progress
		if err := getJSON(ctx, c.o.State, r.log.key("consumer"), &place); err != nil {
			return nil, nil, err
		}
		n := place.Parked
		if order == 0 && from.Before > 0 {
			n = min(n, from.Before-1)
		}
		for n > 0 {
			var numbers []uint64
			for ; n > 0 && len(numbers) < parkedPage; n-- {
				numbers = append(numbers, n)
			}
			found, err := c.parked(ctx, r.log, numbers)
			if err != nil {
				return nil, nil, err
			}
			for _, p := range found {
				if len(list) == limit {
					last, number, err := parseParkedID(list[limit-1].ID)
					return list, &Bookmark{last, number}, err
				}
				list = append(list, p)
			}
		}
	}
	return list, nil, nil
}

func (c *Consumer) parked(ctx context.Context, log LogName, numbers []uint64) (list []Parked, err error) {
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = log.parkedKey(n)
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
		p := Parked{ID: log.parkedID(n)}
		if err := json.Unmarshal(item.Value, &p); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
		}
		list = append(list, p)
	}
	return list, nil
}

// Replay handles a parked event once more and forgets it if that succeeds. Problems: not-found (404), and
// not-handled (409), whose cause is the handler's.
func (c *Consumer) Replay(ctx context.Context, id string) error {
	log, n, err := parseParkedID(id)
	if err != nil {
		return err
	}
	item, err := c.o.State.Get(ctx, log.parkedKey(n))
	if err != nil {
		return err
	}
	var p Parked
	if !item.Found() {
		return errNotParked
	}
	if err := json.Unmarshal(item.Value, &p); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
	}
	r := c.reader(ctx, log)
	if !r.take(ctx) {
		return ctx.Err()
	}
	defer r.release()
	failed := errStray
	if log != strays {
		failed = c.handle(ctx, p.Event)
	}
	if failed == nil {
		return c.o.State.Delete(ctx, item.Key, "")
	}
	p.Reason, p.At, p.Tries = failed.Error(), c.o.Now().UTC(), p.Tries+1
	value, err := json.Marshal(p)
	if err == nil {
		err = c.o.State.Put(ctx, item.Key, value, item.ETag)
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot note why a dead letter failed again")
	}
	return fault.New(fault.Conflict, "not-handled", "The event could not be handled this time either.").With("reason", failed.Error()).Because(failed)
}

// Discard forgets a parked event. Problem: not-found (404).
func (c *Consumer) Discard(ctx context.Context, id string) error {
	log, n, err := parseParkedID(id)
	if err != nil {
		return err
	}
	item, err := c.o.State.Get(ctx, log.parkedKey(n))
	if err == nil && !item.Found() {
		err = errNotParked
	}
	if err != nil {
		return err
	}
	return c.o.State.Delete(ctx, item.Key, "")
}

// Forget discards the parked events that match, in all logs: those of a person who is to be erased.
func (c *Consumer) Forget(ctx context.Context, match func(contract.Event) bool) error {
	var at Bookmark
	for {
		parked, next, err := c.Parked(ctx, at, parkedPage)
		if err != nil {
			return err
		}
		for _, p := range parked {
			if !match(p.Event) {
				continue
			}
			if err := c.Discard(ctx, p.ID); err != nil && !errors.Is(err, errNotParked) {
				return err
			}
		}
		if next == nil {
			return nil
		}
		at = *next
	}
}

// ForgetUser handles the deletion of a user for an app that keeps nothing of users but events that could not be
// handled.
func (c *Consumer) ForgetUser(ctx context.Context, e contract.Event) error {
	var fact contract.UserFact
	if json.Unmarshal(e.Data, &fact) != nil || fact.UserID == "" {
		return Poison(errors.New("the user is not understood"))
	}
	return c.Forget(ctx, func(parked contract.Event) bool { return contract.Concerns(parked, fact.UserID) })
}
