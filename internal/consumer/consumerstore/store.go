// Package consumerstore stores what a consumer has to remember in the state store of its app: the logs that it knows,
// a cursor for each of them, and its dead letters.
//
//	consumer                        the list of logs
//	consumer/{source}/{partition}   the cursor of a log
//	parked/{source}/{partition}/{n} the dead letter with number n of a log
//
// The names of the keys are older than the names in the code. Several replicas of an app may write them at once.
package consumerstore

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"haberdash/internal/sidecar"
)

// Log names a log of another app. Partition is empty for a source that publishes events without a log.
type Log struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
}

// Compare orders logs by source and partition.
func (l Log) Compare(m Log) int {
	return slices.Compare([]string{l.Source, l.Partition}, []string{m.Source, m.Partition})
}

func (l Log) key(kind string) string {
	return kind + "/" + url.PathEscape(l.Source) + "/" + url.PathEscape(l.Partition)
}

func (l Log) cursorKey() string { return l.key("consumer") }

func (l Log) deadLetterKey(n uint64) string { return l.key("parked") + "/" + strconv.FormatUint(n, 10) }

// logsKey is the key of the list of logs.
const logsKey = "consumer"

// Cursor is how far an app has come in a log. This is also its stored form.
type Cursor struct {
	Position    uint64 `json:"p"` // all events up to here are handled, ignored or dead letters
	Applied     uint64 `json:"a"` // how many of them are handled or ignored
	DeadLetters uint64 `json:"k"` // dead letters so far, which are numbered from 1
	// Deletions changes with each dead letter that is replayed or discarded, so that all replicas count them again.
	Deletions uint64 `json:"r,omitempty"`
}

// Store is the consumer's part of an app's state. It is safe for concurrent use.
type Store struct{ state sidecar.State }

// New returns the consumer's part of the state of an app.
func New(state sidecar.State) Store { return Store{state} }

// Logs returns the logs that AddLog has added.
func (s Store) Logs(ctx context.Context) (logs []Log, err error) {
	_, err = sidecar.ReadJSON(ctx, s.state, logsKey, &logs)
	return logs, err
}

// AddLog adds a log to the list of logs, unless the list has it.
func (s Store) AddLog(ctx context.Context, log Log) error {
	_, err := sidecar.Update(ctx, s.state, logsKey, func(logs *[]Log, _ bool) (bool, error) {
		if slices.Contains(*logs, log) {
			return false, nil
		}
		*logs = append(*logs, log)
		return true, nil
	})
	return err
}

// Cursor returns the stored cursor of a log. It is the zero Cursor if none is stored.
func (s Store) Cursor(ctx context.Context, log Log) (at Cursor, err error) {
	_, err = sidecar.ReadJSON(ctx, s.state, log.cursorKey(), &at)
	return at, err
}

// AdvanceCursor moves the stored cursor forward to a position, up to which so many events were handled or ignored. It
// does not move a cursor that is there already, or further. It returns the cursor that is stored afterwards.
func (s Store) AdvanceCursor(ctx context.Context, log Log, position, applied uint64) (Cursor, error) {
	return sidecar.Update(ctx, s.state, log.cursorKey(), func(at *Cursor, _ bool) (bool, error) {
		if at.Position >= position {
			return false, nil
		}
		at.Position, at.Applied = position, applied
		return true, nil
	})
}

// ExportLogs writes the list of logs to put.
func (s Store) ExportLogs(ctx context.Context, put func(sidecar.Item) error) error {
	return s.export(ctx, put, logsKey)
}

// Export writes the cursor and the dead letters of a log to put.
func (s Store) Export(ctx context.Context, log Log, put func(sidecar.Item) error) error {
	item, err := s.state.Get(ctx, log.cursorKey())
	if err != nil || !item.Found() {
		return err
	}
	var at Cursor
	if err := sidecar.DecodeJSON(item, &at); err != nil {
		return err
	}
	if err := put(item); err != nil {
		return err
	}
	for n := uint64(1); n <= at.DeadLetters; {
		var keys []string
		for ; n <= at.DeadLetters && len(keys) < page; n++ {
			keys = append(keys, log.deadLetterKey(n))
		}
		if err := s.export(ctx, put, keys...); err != nil {
			return err
		}
	}
	return nil
}

// export writes the items of those keys that exist, in the order of the keys.
func (s Store) export(ctx context.Context, put func(sidecar.Item) error, keys ...string) error {
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}
