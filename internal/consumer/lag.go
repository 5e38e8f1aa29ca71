package consumer

import (
	"context"
	"time"

	"haberdash/internal/contract"
)

// backlog is what the consumer has not handled of a log although it should have. An event that another replica, or the
// broker, may be about to handle or deliver does not count: a poll finds a backlog only if the consumer has not come
// as far as the feed had at the poll before.
type backlog struct {
	known bool      // false until two polls could be compared, unless the first one found everything handled
	head  uint64    // of the feed; 0 if there is no backlog
	since time.Time // when the first event of the backlog was committed, or the one before it
}

// notePoll records what a poll from a position on has found. It returns the head at the poll before.
func (r *logReader) notePoll(at uint64, page contract.FeedPage) (expected uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	expected = r.expected
	r.backlog.known = r.backlog.known || r.polled || at >= page.Head
	r.backlog.head = 0
	if at < expected && len(page.Events) > 0 {
		r.backlog.head, r.backlog.since = page.Head, page.Events[0].At
	}
	r.head, r.expected, r.polled = page.Head, page.Head, true
	return expected
}

// noteHead records the head that a page of the feed has while the consumer catches up.
func (r *logReader) noteHead(head uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.backlog.head > 0 {
		r.backlog.head = max(r.backlog.head, head)
	}
}

// passed records that the cursor has moved past an event. The event behind it is hardly older, and the next poll reads
// its time.
func (b *backlog) passed(e contract.Event) {
	if e.At.After(b.since) {
		b.since = e.At
	}
}

// lag returns the size of the backlog behind a position, and the age of its first event.
func (b *backlog) lag(position uint64, now time.Time) (events uint64, age time.Duration) {
	if b.head <= position {
		return 0, 0
	}
	return b.head - position, max(0, now.Sub(b.since))
}

// deadLetterCount is how many dead letters of a log are stored, as far as they were counted.
type deadLetterCount struct {
	counted   bool
	upTo      uint64 // the number of the last dead letter that is counted
	deletions uint64 // consumerstore.Cursor.Deletions at that time
	stored    uint64
}

// countDeadLetters counts the dead letters of the log after a start, and after some were replayed or discarded.
func (r *logReader) countDeadLetters(ctx context.Context) error {
	if r.consumer.metrics == nil {
		return nil
	}
	if r.log.Partition == "" { // it has no feed to poll
		if _, err := r.currentPosition(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	loaded, stored, known := r.loaded, r.stored, r.deadLetters
	r.mu.Unlock()
	if !loaded || known.counted && known.deletions == stored.Deletions {
		return nil
	}
	n, err := r.consumer.store.CountDeadLetters(ctx, r.log, stored.DeadLetters)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadLetters = deadLetterCount{true, stored.DeadLetters, stored.Deletions, n}
	return nil
}

// progress is the state of a reader at a moment.
type progress struct {
	followed, loaded, polled, counted bool // what is known of the log

	position, events uint64
	age              time.Duration
	deadLetters      uint64
}

func (r *logReader) progress() progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := progress{
		followed: r.followed, loaded: r.loaded, polled: r.backlog.known, counted: r.deadLetters.counted,
		position: r.cursor.Position, deadLetters: r.deadLetters.stored,
	}
	p.events, p.age = r.backlog.lag(r.cursor.Position, r.consumer.o.Now())
	if n := r.stored.DeadLetters; n > r.deadLetters.upTo { // new ones
		p.deadLetters += n - r.deadLetters.upTo
	}
	return p
}
