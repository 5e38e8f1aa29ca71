package consumerstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// DeadLetter is an event that could not be handled.
type DeadLetter struct {
	ID     string         `json:"-"` // source, partition and number in the log, separated by colons
	Event  contract.Event `json:"event"`
	Reason string         `json:"reason"` // the error of the last attempt
	At     time.Time      `json:"at"`     // the time of the last attempt
	Tries  int            `json:"tries"`  // the attempt that made it a dead letter, and all since
}

// ErrNoDeadLetter says that there is no dead letter with an id: the problem not-found (404).
var ErrNoDeadLetter = fault.Missing("dead letter")

func (l Log) deadLetterID(n uint64) string {
	return l.Source + ":" + l.Partition + ":" + strconv.FormatUint(n, 10)
}

func parseDeadLetterID(id string) (Log, uint64, error) {
	source, rest, ok := strings.Cut(id, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i < 0 {
		return Log{}, 0, ErrNoDeadLetter
	}
	n, err := strconv.ParseUint(rest[i+1:], 10, 64)
	if err != nil {
		return Log{}, 0, ErrNoDeadLetter
	}
	return Log{Source: source, Partition: rest[:i]}, n, nil
}

// AddDeadLetter stores a dead letter of a log and returns its id. It first reserves a number and then writes the
// document. A crash in between leaves a number without a document, and the broker delivers the event again because
// nobody has acknowledged it. So no event is lost, but one may become two dead letters.
func (s Store) AddDeadLetter(ctx context.Context, log Log, d DeadLetter) (id string, err error) {
	reserve := func(at *Cursor, _ bool) (bool, error) { at.DeadLetters++; return true, nil }
	at, err := sidecar.Update(ctx, s.state, log.cursorKey(), reserve)
	if err != nil {
		return "", err
	}
	value, err := encode(d)
	if err != nil {
		return "", err
	}
	return log.deadLetterID(at.DeadLetters), s.state.Put(ctx, log.deadLetterKey(at.DeadLetters), value, "")
}

// Limits of a dead letter, so that a store takes every one. Otherwise one message could stop its log for ever.
const (
	maxReason = 2000
	keptData  = 10_000 // bytes of data that is too large
)

// encode returns the stored form of a dead letter. Data that is too large for a store becomes a text with its
// beginning. Events of logs are never that large.
func encode(d DeadLetter) ([]byte, error) {
	d.Reason = shortened(d.Reason)
	value, err := json.Marshal(d)
	if err != nil || len(value) <= sidecar.MaxValue {
		return value, err
	}
	d.Reason += fmt.Sprintf(" (only the beginning of the %d bytes of data is kept)", len(d.Event.Data))
	if d.Event.Data, err = json.Marshal(string(d.Event.Data[:min(len(d.Event.Data), keptData)])); err != nil {
		return nil, err
	}
	return json.Marshal(d)
}

func shortened(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason], "") + " …"
}

// DeadLetter returns a dead letter and its log, or ErrNoDeadLetter.
func (s Store) DeadLetter(ctx context.Context, id string) (log Log, d DeadLetter, err error) {
	log, n, err := parseDeadLetterID(id)
	if err != nil {
		return log, d, err
	}
	etag, err := sidecar.ReadJSON(ctx, s.state, log.deadLetterKey(n), &d)
	if err == nil && etag == "" {
		err = ErrNoDeadLetter
	}
	d.ID = log.deadLetterID(n)
	return log, d, err
}

// AddAttempt records one more failed attempt of a dead letter, unless it was discarded meanwhile.
func (s Store) AddAttempt(ctx context.Context, id, reason string, at time.Time) error {
	log, n, err := parseDeadLetterID(id)
	if err != nil {
		return err
	}
	_, err = sidecar.Update(ctx, s.state, log.deadLetterKey(n), func(d *DeadLetter, found bool) (bool, error) {
		d.Reason, d.At, d.Tries = shortened(reason), at, d.Tries+1
		return found, nil
	})
	return err
}

// DeleteDeadLetter deletes a dead letter, or returns ErrNoDeadLetter. It does not decode the dead letter.
func (s Store) DeleteDeadLetter(ctx context.Context, id string) error {
	log, n, err := parseDeadLetterID(id)
	if err != nil {
		return err
	}
	item, err := s.state.Get(ctx, log.deadLetterKey(n))
	if err != nil {
		return err
	}
	if !item.Found() {
		return ErrNoDeadLetter
	}
	count := func(at *Cursor, _ bool) (bool, error) { at.Deletions++; return true, nil }
	if _, err := sidecar.Update(ctx, s.state, log.cursorKey(), count); err != nil {
		return err
	}
	return s.state.Delete(ctx, item.Key, "")
}

// Bookmark is a position in the list of dead letters. The zero value is its beginning.
type Bookmark struct {
	Log
	Before uint64 `json:"before"` // the number of the last dead letter of the page before
}

// page is how many items are read at once.
const page = 100

// DeadLetters returns at most limit dead letters of these logs: log by log in their order, and the latest of each log
// first. next is nil at the end of the list.
func (s Store) DeadLetters(
	ctx context.Context, logs []Log, from Bookmark, limit int,
) (list []DeadLetter, next *Bookmark, err error) {
	list = []DeadLetter{}
	for _, log := range logs {
		order := log.Compare(from.Log)
		if order < 0 {
			continue
		}
		at, err := s.Cursor(ctx, log)
		if err != nil {
			return nil, nil, err
		}
		n := at.DeadLetters
		if order == 0 && from.Before > 0 {
			n = min(n, from.Before-1)
		}
		for n > 0 {
			var numbers []uint64
			for ; n > 0 && len(numbers) < page; n-- {
				numbers = append(numbers, n)
			}
			found, err := s.readDeadLetters(ctx, log, numbers)
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

// CountDeadLetters counts the stored dead letters of a log with numbers up to last.
func (s Store) CountDeadLetters(ctx context.Context, log Log, last uint64) (count uint64, err error) {
	for n := last; n > 0; {
		var keys []string
		for ; n > 0 && len(keys) < page; n-- {
			keys = append(keys, log.deadLetterKey(n))
		}
		items, err := s.state.GetMany(ctx, keys)
		if err != nil {
			return 0, err
		}
		count += uint64(len(items))
	}
	return count, nil
}

// readDeadLetters reads the dead letters with these numbers. It leaves out those that were replayed or discarded.
func (s Store) readDeadLetters(ctx context.Context, log Log, numbers []uint64) (list []DeadLetter, err error) {
	keys := make([]string, len(numbers))
	for i, n := range numbers {
		keys[i] = log.deadLetterKey(n)
	}
	items, err := s.state.GetMany(ctx, keys)
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
