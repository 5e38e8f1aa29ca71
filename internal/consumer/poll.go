package consumer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// FetchFrom returns a Fetch that reads feeds from the apps that serve them, with GET /feed/{partition}.
func FetchFrom(apps sidecar.Invoker) Fetch {
	return func(ctx context.Context, log Log, from uint64, limit int) (page contract.FeedPage, err error) {
		query := url.Values{
			"from": {strconv.FormatUint(from, 10)}, "max": {strconv.Itoa(min(limit, contract.MaxFeedPage))},
		}
		path := "/feed/" + url.PathEscape(log.Partition)
		err = sidecar.Call(ctx, apps, log.Source, http.MethodGet, path, query, nil, &page)
		return page, err
	}
}

// Run polls the feeds and stores the cursors until ctx ends. Then it stores the cursors once more, so that no event is
// handled again after a clean end. End ctx after the last delivery.
func (c *Consumer) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, c.o.StoreEvery, func(ctx context.Context) { c.storeCursors(ctx, c.o.StoreEvery) })
	}()
	every(ctx, c.o.PollEvery, c.pollAll)
	<-done
	c.storeCursors(ctx, 0)
}

func (c *Consumer) storeCursors(ctx context.Context, interval time.Duration) {
	for _, r := range c.openReaders() {
		r.storeCursorIfDue(ctx, interval)
	}
}

// every calls work at each interval until ctx ends.
func every(ctx context.Context, interval time.Duration, work func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			work(ctx)
		}
	}
}

func (c *Consumer) pollAll(ctx context.Context) {
	readers, err := c.allReaders(ctx)
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot read the list of logs")
	}
	for _, r := range readers {
		if ctx.Err() != nil {
			return
		}
		var err error
		if r.log.Partition != "" {
			err = r.poll(ctx)
		}
		if err = errors.Join(err, r.countDeadLetters(ctx)); err != nil && ctx.Err() == nil {
			telemetry.Log(ctx).Warn().Err(err).Str(field.LogOwner, r.log.Source).Str(field.Log, r.log.Partition).
				Msg("cannot poll a log, will try again")
		}
	}
}

// pollTimeout limits reading the head of a feed.
const pollTimeout = 5 * time.Second

// poll reads the head of the feed. Events between the cursor and the head may still be on their way through the broker.
// But those that were in the feed at the poll before, and that the broker has not delivered since, are fetched.
func (r *logReader) poll(ctx context.Context) error {
	at, err := r.currentPosition(ctx)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, pollTimeout)
	page, err := r.consumer.o.Fetch(bounded, r.log, at+1, 1)
	cancel()
	if err != nil {
		return err
	}
	expected := r.notePoll(at, page)
	if page.Head < at {
		telemetry.Log(ctx).Error().Str(field.LogOwner, r.log.Source).Str(field.Log, r.log.Partition).
			Uint64(field.Head, page.Head).Uint64(field.Position, at).
			Msg("a log ends before this app's cursor: it has lost events, or it is another log")
	}
	if at >= expected {
		return nil
	}
	if !r.lock(ctx) {
		return ctx.Err()
	}
	defer r.unlock()
	if r.failsTooLong() {
		err = r.handleGap(ctx, at+1, true)
	}
	if err == nil {
		err = r.handleGap(ctx, expected, false)
	}
	r.storeCursorIfDue(ctx, r.consumer.o.StoreEvery)
	return err
}

func (r *logReader) currentPosition(ctx context.Context) (uint64, error) {
	if !r.lock(ctx) {
		return 0, ctx.Err()
	}
	defer r.unlock()
	err := r.loadCursor(ctx)
	return r.position(), err
}

// Cursors returns how far the consumer has come in each log, sorted by source and partition.
func (c *Consumer) Cursors(ctx context.Context) ([]contract.Cursor, error) {
	readers, err := c.allReaders(ctx)
	if err != nil {
		return nil, err
	}
	cursors := []contract.Cursor{}
	for _, r := range readers {
		stored, err := c.store.Cursor(ctx, r.log)
		if err != nil {
			return nil, err
		}
		r.mu.Lock()
		at, head := r.cursor, r.head
		r.mu.Unlock()
		if stored.Position > at.Position {
			at = stored // by another replica
		}
		cursors = append(cursors, contract.Cursor{Source: r.log.Source, Partition: r.log.Partition,
			Position: at.Position, Applied: at.Applied, Parked: stored.DeadLetters, Head: head})
	}
	return cursors, nil
}
