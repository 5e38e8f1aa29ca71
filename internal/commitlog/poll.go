package commitlog

import (
	"context"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/telemetry"
)

// Run polls the feeds for what no delivery has brought, and stores the cursors, until ctx ends. A clean end
// repeats nothing: call it off after the last delivery.
func (c *Consumer) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, c.o.StoreEvery, func(ctx context.Context) {
			for _, r := range c.all() {
				c.storeDue(ctx, r)
			}
		})
	}()
	every(ctx, c.o.PollEvery, c.pollAll)
	<-done
	for _, r := range c.all() {
		c.storeMoved(ctx, r, 0) // however lately it was stored
	}
}

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
	if err := c.recall(ctx); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot read which logs to poll")
	}
	for _, r := range c.all() {
		if r.log.Partition == "" || ctx.Err() != nil {
			continue
		}
		if err := c.poll(ctx, r); err != nil && ctx.Err() == nil {
			telemetry.Log(ctx).Warn().Err(err).Str("source", r.log.Source).Str("partition", r.log.Partition).Msg("cannot catch up with a log yet")
		}
	}
}

// pollTime bounds the question for a log's head.
const pollTime = 5 * time.Second

// poll asks for the log's head. Events between the cursor and the head may be on their way; only those that were
// published at the poll before and have not come since are missing. They are fetched.
func (c *Consumer) poll(ctx context.Context, r *reader) error {
	at, err := c.position(ctx, r)
	if err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, pollTime)
	page, err := c.o.Fetch(asking, r.log.Source, r.log.Partition, at+1, 1)
	cancel()
	if err != nil {
		return err
	}
	r.mu.Lock()
	missed := r.missed
	r.head, r.missed = page.Head, page.Head
	r.mu.Unlock()
	if page.Head < at {
		telemetry.Log(ctx).Error().Str("source", r.log.Source).Str("partition", r.log.Partition).Uint64("head", page.Head).
			Uint64("position", at).Msg("a log ends before what was read of it: it has lost events, or is another one")
	}
	if at >= missed {
		return nil
	}
	if !r.take(ctx) {
		return ctx.Err()
	}
	defer r.release()
	if r.hopeless(c.o.Now(), c.o.GiveUpAfter) {
		err = c.fetch(ctx, r, at+1, true)
	}
	if err == nil {
		err = c.fetch(ctx, r, missed, false)
	}
	c.storeDue(ctx, r)
	return err
}

func (c *Consumer) position(ctx context.Context, r *reader) (uint64, error) {
	if !r.take(ctx) {
		return 0, ctx.Err()
	}
	defer r.release()
	err := c.load(ctx, r)
	return r.progress().Position, err
}

// Cursors tells how far the consumer has come in each log, by source and partition.
func (c *Consumer) Cursors(ctx context.Context) ([]contract.Cursor, error) {
	if err := c.recall(ctx); err != nil {
		return nil, err
	}
	cursors := []contract.Cursor{}
	for _, r := range c.all() {
		var stored progress
		if err := getJSON(ctx, c.o.State, r.log.key("consumer"), &stored); err != nil {
			return nil, err
		}
		r.mu.Lock()
		at, head := r.at, r.head
		r.mu.Unlock()
		if stored.Position > at.Position {
			at = stored // another replica's
		}
		cursors = append(cursors, contract.Cursor{
			Source: r.log.Source, Partition: r.log.Partition, Position: at.Position, Applied: at.Applied, Parked: stored.Parked, Head: head,
		})
	}
	return cursors, nil
}
