package consumer

import (
	"context"
	"net/url"
	"slices"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// cursor is how far an app has come in another app's log. This is also its stored form.
type cursor struct {
	Position uint64 `json:"p"` // all events up to here are handled, ignored or dead letters
	Applied  uint64 `json:"a"` // how many of them are handled or ignored
	Parked   uint64 `json:"k"` // dead letters so far, which are numbered from 1
}

func (l Log) key(kind string) string {
	return kind + "/" + url.PathEscape(l.Source) + "/" + url.PathEscape(l.Partition)
}

func (l Log) cursorKey() string { return l.key("consumer") }

// cursorLifetime is how long a reader uses the cursor in memory while it has no events. Another replica may handle
// events of the log meanwhile.
const cursorLifetime = time.Second

// loadCursor reads the stored cursor, unless the reader has used its cursor within cursorLifetime.
func (r *logReader) loadCursor(ctx context.Context) error {
	if time.Since(r.loadedAt) < cursorLifetime {
		r.loadedAt = time.Now()
		return nil
	}
	return r.reloadCursor(ctx)
}

func (r *logReader) reloadCursor(ctx context.Context) error {
	stored, err := r.consumer.readCursor(ctx, r.log)
	if err != nil {
		return err
	}
	r.mergeStored(stored)
	r.loadedAt = time.Now()
	return nil
}

func (c *Consumer) readCursor(ctx context.Context, log Log) (stored cursor, err error) {
	_, err = sidecar.ReadJSON(ctx, c.o.State, log.cursorKey(), &stored)
	return stored, err
}

// mergeStored replaces the cursor by the stored one if another replica has come further. Each replica stores a position
// only after it has handled everything up to it, so the greater position is valid for all replicas.
func (r *logReader) mergeStored(stored cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stored.Position >= r.cursor.Position {
		r.cursor = stored
	}
	r.stored = stored
}

// storeCursorIfDue stores the cursor if it has moved and was stored at least interval ago.
func (r *logReader) storeCursorIfDue(ctx context.Context, interval time.Duration) {
	r.mu.Lock()
	due := r.stored.Position < r.cursor.Position && time.Since(r.storedAt) >= interval
	r.mu.Unlock()
	if !due {
		return
	}
	if err := r.storeCursor(ctx); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("source", r.log.Source).Str("partition", r.log.Partition).
			Msg("cannot store a cursor, events may be handled again after a restart")
	}
}

// storeCursor stores the cursor even if ctx has ended, because otherwise events would be handled again.
func (r *logReader) storeCursor(ctx context.Context) error {
	r.mu.Lock()
	at := r.cursor
	r.mu.Unlock()
	advance := func(c *cursor, _ bool) (bool, error) {
		if c.Position >= at.Position {
			return false, nil
		}
		c.Position, c.Applied = at.Position, at.Applied
		return true, nil
	}
	stored, err := sidecar.Update(context.WithoutCancel(ctx), r.consumer.o.State, r.log.cursorKey(), advance)
	if err == nil {
		r.mergeStored(stored)
		r.mu.Lock()
		r.storedAt = time.Now()
		r.mu.Unlock()
	}
	return err
}

// logsKey is the key of the list of logs that the consumer has discovered. It polls them after a restart too.
const logsKey = "consumer"

// reader returns the reader of a log. The first time, it creates the reader and adds the log to the stored list.
func (c *Consumer) reader(ctx context.Context, log Log) *logReader {
	c.mu.Lock()
	r := c.readers[log]
	if r == nil {
		r = newLogReader(c, log)
		c.readers[log] = r
	}
	c.mu.Unlock()
	r.mu.Lock()
	listed := r.listed
	r.mu.Unlock()
	if listed {
		return r
	}
	if err := c.listLog(ctx, log); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot add a log to the list of logs, will try again")
		return r
	}
	r.setListed()
	return r
}

func (r *logReader) setListed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed = true
}

func (c *Consumer) listLog(ctx context.Context, log Log) error {
	_, err := sidecar.Update(ctx, c.o.State, logsKey, func(logs *[]Log, _ bool) (bool, error) {
		if slices.Contains(*logs, log) {
			return false, nil
		}
		*logs = append(*logs, log)
		return true, nil
	})
	return err
}

// allReaders returns the readers of all logs, including those that were discovered before a restart, sorted by log.
func (c *Consumer) allReaders(ctx context.Context) ([]*logReader, error) {
	var listed []Log
	_, err := sidecar.ReadJSON(ctx, c.o.State, logsKey, &listed)
	c.Follow(listed...)
	return c.openReaders(), err
}

// openReaders returns the readers that this process has created, sorted by log.
func (c *Consumer) openReaders() []*logReader {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*logReader
	for _, r := range c.readers {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *logReader) int { return a.log.compare(b.log) })
	return all
}
