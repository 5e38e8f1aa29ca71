package commitlog

import (
	"context"
	"time"
)

// Follow calls fn with the commits after the stored cursor, in order and at most limit at a time, until ctx ends or the
// partition closes. When fn returns an error, Follow calls it with the same commits again, after a pause. The cursor is
// stored at most every 200 ms, so a crash repeats commits: fn must be idempotent. While the store is unavailable,
// Follow tries again.
func (p *Partition[S]) Follow(ctx context.Context, follower string, limit int,
	fn func(context.Context, []Commit) error) {
	at, ok := p.openCursor(ctx, follower)
	if !ok {
		return
	}
	defer at.save(ctx)
	for pause := time.Duration(0); ; {
		changed := p.Changed()
		commits, err := p.readUpToHead(ctx, at.commit+1, limit)
		if err == nil && len(commits) > 0 {
			err = fn(ctx, commits)
		}
		if err == nil && len(commits) > 0 {
			at.commit = commits[len(commits)-1].N
		}
		at.saveIfDue(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			pause = nextPause(pause)
			if !p.logAndWait(ctx, err, follower+" cannot process commits, will try again", pause) {
				return
			}
			continue
		}
		pause = 0
		if len(commits) > 0 {
			continue
		}
		at.save(ctx)
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-p.quit:
			return
		}
	}
}
