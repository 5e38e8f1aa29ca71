package commitlog

import (
	"context"
	"time"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Cursor returns the commit up to which the follower of that name has processed the log, 0 at first.
func (p *Partition[S]) Cursor(ctx context.Context, follower string) (uint64, error) {
	return layout.ReadCursor(ctx, p.store, p.name, follower)
}

// AwaitCursor is Cursor, and tries again while the store is unavailable. ok is false if ctx ended or the partition
// closed meanwhile.
func (p *Partition[S]) AwaitCursor(ctx context.Context, follower string) (commit uint64, ok bool) {
	for wait := nextPause(0); ; wait = nextPause(wait) {
		commit, err := p.Cursor(ctx, follower)
		if err == nil {
			return commit, true
		}
		if !p.logAndWait(ctx, err, follower+" cannot read its cursor, will try again", wait) {
			return 0, false
		}
	}
}

// cursorInterval is the shortest time between two writes of a cursor while a follower processes commits. A crash
// repeats the commits since.
const cursorInterval = 200 * time.Millisecond

// cursor is how far a follower has come in the log.
type cursor struct {
	store         sidecar.State
	log, follower string

	commit   uint64    // processed up to here
	stored   uint64    // the stored cursor
	storedAt time.Time // when it was stored, or could not be
}

// openCursor reads a follower's cursor, as AwaitCursor does.
func (p *Partition[S]) openCursor(ctx context.Context, follower string) (*cursor, bool) {
	commit, ok := p.AwaitCursor(ctx, follower)
	return &cursor{p.store, p.name, follower, commit, commit, time.Now()}, ok
}

// behind tells whether the stored cursor is behind.
func (c *cursor) behind() bool { return c.stored < c.commit }

// save stores the cursor if it is behind. It does so even if ctx has ended, so that a
// regular restart repeats nothing.
func (c *cursor) save(ctx context.Context) {
	if !c.behind() {
		return
	}
	c.storedAt = time.Now()
	err := layout.StoreCursor(context.WithoutCancel(ctx), c.store, c.log, c.follower, c.commit)
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Log, c.log).Str(field.Follower, c.follower).
			Msg("cannot store a cursor, commits may be processed again after a restart")
		return
	}
	c.stored = c.commit
}

// saveIfDue stores the cursor if it is behind and cursorInterval has passed.
func (c *cursor) saveIfDue(ctx context.Context) {
	if time.Since(c.storedAt) > cursorInterval {
		c.save(ctx)
	}
}

// logAndWait logs an error and waits. It returns false if ctx ended or the partition closed.
func (p *Partition[S]) logAndWait(ctx context.Context, err error, msg string, wait time.Duration) bool {
	telemetry.Log(ctx).Warn().Err(err).Str(field.Log, p.name).Msg(msg)
	return p.wait(ctx, wait)
}

// wait returns false if ctx ended or the partition closed before d had passed.
func (p *Partition[S]) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-p.quit:
	}
	return false
}

// nextPause is the pause after a failed attempt: twice the last one, between 50 ms and 2 s.
func nextPause(last time.Duration) time.Duration {
	return min(max(2*last, 50*time.Millisecond), 2*time.Second)
}
