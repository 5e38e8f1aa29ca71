package commitlog

import (
	"context"
	"haberdash/internal/sidecar"
	"time"
)

// Cursor is the commit up to which the follower of that name has come; 0 at first.
func (p *Partition[S]) Cursor(ctx context.Context, follower string) (uint64, error) {
	var at cursor
	_, err := sidecar.ReadJSON(ctx, p.store, cursorKey(p.name, follower), &at)
	return at.Commit, err
}

// Follow hands the log to fn from the stored cursor on, up to max commits at a time, each at least once: a crash
// repeats what came after the cursor was stored last, and an error of fn the same commits, after a pause. It
// returns when ctx ends or the partition closes; outages are waited out.
func (p *Partition[S]) Follow(ctx context.Context, follower string, max int, fn func(context.Context, []Commit) error) {
	var at uint64
	for wait := pause(0); ; wait = pause(wait) {
		var err error
		if at, err = p.Cursor(ctx, follower); err == nil {
			break
		}
		if !p.outage(ctx, err, follower+" cannot read its cursor", wait) {
			return
		}
	}
	key, stored, storedAt := cursorKey(p.name, follower), at, time.Now()
	store := func() { stored, storedAt = p.storeCursor(ctx, key, cursor{at}, stored), time.Now() }
	defer func() {
		if stored < at {
			store()
		}
	}()
	for wait := time.Duration(0); ; {
		grown := p.Changed()
		commits, err := p.tail(ctx, at+1, max)
		if err == nil && len(commits) > 0 {
			err = fn(ctx, commits)
		}
		if err == nil && len(commits) > 0 {
			at = commits[len(commits)-1].N
		}
		if stored < at && time.Since(storedAt) > cursorEvery {
			store()
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = pause(wait)
			if !p.outage(ctx, err, follower+" will try again", wait) {
				return
			}
			continue
		}
		wait = 0
		if len(commits) > 0 {
			continue
		}
		if stored < at {
			store()
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return
		case <-p.quit:
			return
		}
	}
}
