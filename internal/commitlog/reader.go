package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// progress is how far an app has come in another app's log.
type progress struct {
	Position uint64 `json:"p"` // all events up to here are handled, passed over or parked
	Applied  uint64 `json:"a"` // how many of them are handled or passed over
	Parked   uint64 `json:"k"` // numbers given to parked events so far
}

// reader is one consumer's way through one log.
type reader struct {
	log   LogName
	turn  chan struct{} // a token: one batch, page or replay of the log at a time
	ready time.Time     // when the cursor was loaded, or the last batch taken; held with turn

	mu       sync.Mutex
	known    bool // it will be found again after a restart
	at       progress
	stored   progress
	storedAt time.Time
	head     uint64 // of the feed, when it was polled last
	missed   uint64 // what the poll before knew to be published
	failing  uint64 // position of the event that failed last
	since    time.Time
}

func newReader(log LogName) *reader { return &reader{log: log, turn: make(chan struct{}, 1)} }

func (r *reader) take(ctx context.Context) bool {
	select {
	case r.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *reader) release() { <-r.turn }

func (r *reader) progress() progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at
}

// applied notes that the events up to a position are handled. Another replica may have come further meanwhile, and its
// cursor have been taken over (adopt): each event counts once.
func (r *reader) applied(position uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if position > r.at.Position {
		r.at.Applied += position - r.at.Position
		r.at.Position = position
	}
}

// passed notes that the event at a position is parked.
func (r *reader) passed(position uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.Position = max(r.at.Position, position)
}

// failed notes since when the event at a position fails.
func (r *reader) failed(position uint64, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != position {
		r.failing, r.since = position, now
	}
}

// hopeless tells whether the next event has been failing for longer than d.
func (r *reader) hopeless(now time.Time, d time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing == r.at.Position+1 && now.Sub(r.since) > d
}

// adopt takes in what is stored, by whichever replica. Each has handled everything up to the position that it
// stored, so the greater one is true for all.
func (r *reader) adopt(stored progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stored.Position >= r.at.Position {
		r.at = stored
	}
	r.stored = stored
}

func (l LogName) key(kind string) string {
	return kind + "/" + url.PathEscape(l.Source) + "/" + url.PathEscape(l.Partition)
}

// reader finds the reader of a log, or begins one.
func (c *Consumer) reader(ctx context.Context, log LogName) *reader {
	c.mu.Lock()
	r := c.readers[log]
	if r == nil {
		r = newReader(log)
		c.readers[log] = r
	}
	c.mu.Unlock()
	r.mu.Lock()
	known := r.known
	r.mu.Unlock()
	if known {
		return r
	}
	if err := c.remember(ctx, log); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot note a new log, will try again")
		return r
	}
	r.mu.Lock()
	r.known = true
	r.mu.Unlock()
	return r
}

// all lists the readers in the order of their logs' names.
func (c *Consumer) all() []*reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*reader
	for _, r := range c.readers {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *reader) int { return a.log.compare(b.log) })
	return all
}

// idle is how long a reader that takes no batch relies on the cursor in memory: another replica may have taken
// over.
const idle = time.Second

// load reads the cursor, unless it is known; the reader's turn is held.
func (c *Consumer) load(ctx context.Context, r *reader) error {
	if time.Since(r.ready) < idle {
		r.ready = time.Now()
		return nil
	}
	return c.reload(ctx, r)
}

func (c *Consumer) reload(ctx context.Context, r *reader) error {
	var stored progress
	if err := getJSON(ctx, c.o.State, r.log.key("consumer"), &stored); err != nil {
		return err
	}
	r.adopt(stored)
	r.ready = time.Now()
	return nil
}

// storeDue stores the cursor if it has moved and was not stored of late.
func (c *Consumer) storeDue(ctx context.Context, r *reader) { c.storeMoved(ctx, r, c.o.StoreEvery) }

// storeMoved stores the cursor if it has moved since it was stored, and that was at least some time ago.
func (c *Consumer) storeMoved(ctx context.Context, r *reader, ago time.Duration) {
	r.mu.Lock()
	due := r.stored.Position < r.at.Position && time.Since(r.storedAt) >= ago
	r.mu.Unlock()
	if !due {
		return
	}
	if err := c.store(ctx, r); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("source", r.log.Source).Str("partition", r.log.Partition).Msg("cannot store a cursor, events may repeat")
	}
}

// store outlives ctx: what is done need not be done again.
func (c *Consumer) store(ctx context.Context, r *reader) error {
	at := r.progress()
	stored, err := c.amend(context.WithoutCancel(ctx), r.log, func(p progress) (progress, bool) {
		if p.Position >= at.Position {
			return p, false
		}
		return progress{at.Position, at.Applied, p.Parked}, true
	})
	if err == nil {
		r.adopt(stored)
		r.mu.Lock()
		r.storedAt = time.Now()
		r.mu.Unlock()
	}
	return err
}

// amend changes a stored cursor, on condition that nobody else does meanwhile, and gives what is stored then.
func (c *Consumer) amend(ctx context.Context, log LogName, change func(progress) (progress, bool)) (progress, error) {
	return amend(ctx, c.o.State, log.key("consumer"), change)
}

// amendments bounds how often a change is tried again when others change the same document.
const amendments = 20

// amend changes a document, on condition that nobody else does meanwhile. change says whether there is anything
// to change; the answer is what is stored then.
func amend[T any](ctx context.Context, store sidecar.State, key string, change func(T) (T, bool)) (T, error) {
	for range amendments {
		var now T
		item, err := store.Get(ctx, key)
		if err == nil && item.Found() {
			if err = json.Unmarshal(item.Value, &now); err != nil {
				err = fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
			}
		}
		if err != nil {
			return now, err
		}
		next, changed := change(now)
		if !changed {
			return now, nil
		}
		value, err := json.Marshal(next)
		if err != nil {
			return now, err
		}
		if item.Found() {
			err = store.Put(ctx, key, value, item.ETag)
		} else {
			err = store.Create(ctx, key, value)
		}
		if !errors.Is(err, sidecar.ErrStale) && !errors.Is(err, sidecar.ErrExists) {
			return next, err
		}
	}
	return *new(T), fmt.Errorf("commitlog: too many writers of %s", key)
}

// logsKey holds the logs that were met by their events: they are polled after a restart too.
const logsKey = "consumer"

func (c *Consumer) remember(ctx context.Context, log LogName) error {
	_, err := amend(ctx, c.o.State, logsKey, func(known []LogName) ([]LogName, bool) {
		return append(known, log), !slices.Contains(known, log)
	})
	return err
}

// recall begins readers for the logs that were met before.
func (c *Consumer) recall(ctx context.Context) error {
	var known []LogName
	if err := getJSON(ctx, c.o.State, logsKey, &known); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range known {
		if c.readers[log] == nil {
			c.readers[log] = newReader(log)
			c.readers[log].known = true
		}
	}
	return nil
}
