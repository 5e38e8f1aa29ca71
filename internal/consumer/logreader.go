package consumer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/consumer/consumerstore"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// logReader handles the events of one log. One batch, page or replay of a log is handled at a time.
type logReader struct {
	consumer *Consumer
	log      Log
	busy     chan struct{} // contains a token while a batch, page or replay is handled
	loadedAt time.Time     // when the cursor was last read or used; guarded by busy

	mu       sync.Mutex
	listed   bool // the log was given to Follow, or is in the stored list
	followed bool // the log was given to Follow
	loaded   bool // a stored cursor was read, if there was one
	cursor   consumerstore.Cursor
	stored   consumerstore.Cursor
	storedAt time.Time
	head     uint64 // of the feed, at the last poll
	expected uint64 // the head at the last poll: by the next poll, events up to it should have been delivered

	polled      bool // at least once
	backlog     backlog
	deadLetters deadLetterCount

	failing      uint64 // position of the event that failed last
	failingSince time.Time
}

func newLogReader(c *Consumer, log Log) *logReader {
	return &logReader{consumer: c, log: log, busy: make(chan struct{}, 1)}
}

// lock waits until no other batch of the log is handled. It returns false if ctx ends before.
func (r *logReader) lock(ctx context.Context) bool {
	select {
	case r.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *logReader) unlock() { <-r.busy }

func (r *logReader) position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor.Position
}

// handleDeliveries handles events of the log that were delivered together and sets their outcomes. An event is done
// when the cursor has passed it.
func (r *logReader) handleDeliveries(
	ctx context.Context, arrivals []arrival, lastAttempt bool, outcomes []sidecar.Outcome,
) {
	if !r.lock(ctx) {
		return
	}
	defer r.unlock()
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.event.Position, b.event.Position) })
	err := r.loadCursor(ctx)
	oneByOne := lastAttempt || len(r.consumer.o.Batches) == 0
	events := eventsOf(arrivals)
	for i, a := range arrivals {
		if err == nil && !oneByOne && a.event.Position == r.position()+1 {
			within, span := telemetry.StartBatch(ctx, "process "+a.delivery.Topic, trace.SpanKindConsumer,
				parentsOf(arrivals[i:])...)
			_, batchErr := r.handleBatch(within, events[i:])
			telemetry.End(span, batchErr)
			oneByOne = batchErr != nil
		}
		if err == nil && a.event.Position > r.position() {
			within, span := a.delivery.Enter(ctx)
			err = r.handleUpTo(within, a.event, lastAttempt)
			telemetry.End(span, err)
		}
		if a.event.Position <= r.position() {
			outcomes[a.index] = sidecar.Done
		}
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.LogOwner, r.log.Source).Str(field.Log, r.log.Partition).
			Uint64(field.Position, r.position()).Msg("events wait for the next delivery")
	}
	r.storeCursorIfDue(ctx, r.consumer.o.StoreEvery)
}

// parentsOf lists the traces of deliveries, as far as they have one.
func parentsOf(arrivals []arrival) (parents []string) {
	for _, a := range arrivals {
		if a.delivery.TraceParent != "" {
			parents = append(parents, a.delivery.TraceParent)
		}
	}
	return parents
}

func eventsOf(arrivals []arrival) []contract.Event {
	events := make([]contract.Event, len(arrivals))
	for i, a := range arrivals {
		events[i] = a.event
	}
	return events
}

// handleUpTo handles the event, and before it the events between the cursor and it.
func (r *logReader) handleUpTo(ctx context.Context, e contract.Event, lastAttempt bool) error {
	if e.Position > r.position()+1 {
		if err := r.handleGap(ctx, e.Position-1, lastAttempt); err != nil {
			return err
		}
	}
	if e.Position <= r.position() {
		return nil
	}
	return r.handleNext(ctx, e, lastAttempt)
}

// fetchPage is how many events the reader fetches at once.
const fetchPage = 200

// handleGap fetches the events up to a position from the feed and handles them. It leaves out events that another
// replica has handled meanwhile.
func (r *logReader) handleGap(ctx context.Context, upTo uint64, lastAttempt bool) error {
	if err := r.reloadCursor(ctx); err != nil {
		return err
	}
	for at := r.position(); at < upTo; at = r.position() {
		page, err := r.consumer.o.Fetch(ctx, r.log, at+1, int(min(upTo-at, fetchPage)))
		if err != nil {
			return fmt.Errorf("fetch missing events: %w", err)
		}
		if len(page.Events) == 0 {
			return fmt.Errorf("the feed ends at position %d", page.Head)
		}
		for i, e := range page.Events {
			if logOf(e) != r.log || e.Position != at+uint64(i)+1 {
				return fmt.Errorf("the feed has %s at position %d", e.ID, at+uint64(i)+1)
			}
		}
		r.noteHead(page.Head)
		if err := r.handlePage(ctx, page.Events, lastAttempt); err != nil {
			return err
		}
	}
	return nil
}

// handlePage handles events that follow the cursor without a gap.
func (r *logReader) handlePage(ctx context.Context, events []contract.Event, lastAttempt bool) error {
	oneByOne := lastAttempt || len(r.consumer.o.Batches) == 0
	for len(events) > 0 {
		if !oneByOne {
			n, err := r.handleBatch(ctx, events)
			if oneByOne = err != nil; n > 0 {
				events = events[n:]
				continue
			}
		}
		if err := r.handleNext(ctx, events[0], lastAttempt); err != nil {
			return err
		}
		events = events[1:]
	}
	return nil
}

// handleNext handles the event after the cursor, or makes it a dead letter, and moves the cursor past it.
func (r *logReader) handleNext(ctx context.Context, e contract.Event, lastAttempt bool) error {
	err := r.consumer.callHandler(ctx, e, lastAttempt)
	if err == nil {
		r.advanceTo(e)
		return nil
	}
	if !isFinal(ctx, err, lastAttempt) {
		r.noteFailure(e.Position)
		return fmt.Errorf("%s (%s): %w", e.ID, e.Type, err)
	}
	if err := r.consumer.addDeadLetter(ctx, r.log, e, err); err != nil {
		return err
	}
	r.skip(e)
	return r.storeCursor(ctx)
}

// maxBatch is how many events a BatchHandler gets at once. A crash repeats at most so many for each log.
const maxBatch = 50

// handleBatch handles as many of the next events as one call of a BatchHandler can, and moves the cursor past them. It
// returns their number, which is 0 if a batch would have fewer than two events. After an error, the caller must handle
// the events one by one.
func (r *logReader) handleBatch(ctx context.Context, next []contract.Event) (int, error) {
	o := r.consumer.o
	var batch []contract.Event
	n := 0
	for at := r.position(); n < len(next) && len(batch) < maxBatch && next[n].Position == at+uint64(n)+1; n++ {
		e := next[n]
		switch {
		case o.Handlers[e.Type] == nil:
			continue
		case o.Batches[e.Type] != nil && (len(batch) == 0 || batch[0].Type == e.Type):
			batch = append(batch, e)
			continue
		}
		break
	}
	if len(batch) < 2 {
		return 0, nil
	}
	started := time.Now()
	err := callWithTimeout(ctx, batch[0], func(ctx context.Context) error {
		return o.Batches[batch[0].Type](ctx, batch)
	})
	r.consumer.metrics.observeCall(batch[0].Type, started, err, false)
	if err != nil {
		telemetry.Log(ctx).Info().Err(err).Str(field.EventID, batch[0].ID).Int(field.Events, len(batch)).
			Msg("a batch failed, its events are handled one by one")
		return 0, err
	}
	for _, e := range batch {
		r.consumer.metrics.observeLag(e)
	}
	r.advanceTo(next[n-1])
	return n, nil
}

// advanceTo moves the cursor past events that were handled, up to last, and counts them. It does not count events that
// another replica has handled meanwhile and whose cursor was merged into this one.
func (r *logReader) advanceTo(last contract.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last.Position > r.cursor.Position {
		r.cursor.Applied += last.Position - r.cursor.Position
		r.cursor.Position = last.Position
		r.backlog.passed(last)
	}
}

// skip moves the cursor past an event that became a dead letter.
func (r *logReader) skip(e contract.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cursor.Position = max(r.cursor.Position, e.Position)
	r.backlog.passed(e)
}

// noteFailure records since when the event at a position has been failing.
func (r *logReader) noteFailure(position uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != position {
		r.failing, r.failingSince = position, r.consumer.o.Now()
	}
}

// failsTooLong reports whether the next event has been failing for longer than GiveUpAfter.
func (r *logReader) failsTooLong() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing == r.cursor.Position+1 && r.consumer.o.Now().Sub(r.failingSince) > r.consumer.o.GiveUpAfter
}
