package commitlog

import (
	"context"
	"errors"
	"fmt"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// readAhead is how many commits one read of the tail asks for.
const readAhead = 64

// Read pages through the log: the commits from number from on, at most max (1–100), fewer at its end.
func (p *Partition[S]) Read(ctx context.Context, from uint64, max int) ([]Commit, error) {
	return p.read(ctx, from, min(max, 100))
}

func (p *Partition[S]) read(ctx context.Context, from uint64, max int) ([]Commit, error) {
	commits, err := readLog(ctx, p.store, p.name, p.model.Upcasters, from, max)
	if errors.Is(err, ErrNewer) && !p.newer.Swap(true) {
		telemetry.Log(ctx).Error().Err(err).Str("partition", p.name).Msg("a newer version of this service writes the log: this one makes way")
	}
	return commits, err
}

// one reads a commit that is known to be there.
func (p *Partition[S]) one(ctx context.Context, n uint64) (Commit, error) {
	commits, err := p.read(ctx, n, 1)
	if err == nil && len(commits) == 0 {
		err = fmt.Errorf("%w: %s is missing", ErrCorrupt, logKey(p.name, n))
	}
	if err != nil {
		return Commit{}, err
	}
	return commits[0], nil
}

// tail gives commits from number from on, at most max and none beyond the head, from memory if it has them.
func (p *Partition[S]) tail(ctx context.Context, from uint64, max int) ([]Commit, error) {
	p.mu.RLock()
	head, recent := p.head, p.recent
	p.mu.RUnlock()
	if from > head {
		return nil, nil
	}
	max = int(min(uint64(max), head-from+1))
	if len(recent) > 0 && recent[0].N <= from {
		start := int(from - recent[0].N)
		return recent[start : start+max], nil
	}
	return p.read(ctx, from, max)
}

func readLog(ctx context.Context, store sidecar.State, partition string, up Upcasters, from uint64, max int) ([]Commit, error) {
	keys := make([]string, max)
	for i := range keys {
		keys[i] = logKey(partition, from+uint64(i))
	}
	items, err := store.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	var commits []Commit
	for i, key := range keys {
		item, ok := items[key]
		if !ok {
			break
		}
		c, err := decodeCommit(key, from+uint64(i), item.Value, up)
		if err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	return commits, nil
}

// recover brings memory from nothing to the end of the log.
func (p *Partition[S]) recover(ctx context.Context) error {
	if !p.opts.Resident {
		var c checkpoint
		if _, err := sidecar.ReadJSON(ctx, p.store, checkpointKey(p.documentsName()), &c); err != nil {
			return err
		}
		p.head, p.published = c.Commit, c.Published
	}
	for {
		more, err := p.catchUp(ctx, readAhead)
		if err != nil || !more {
			return err
		}
	}
}

// sync takes in what other writers have committed. Most often that is nothing, so it asks for one commit
// first.
func (p *Partition[S]) sync(ctx context.Context) error {
	for ahead := 1; ; ahead = readAhead {
		more, err := p.catchUp(ctx, ahead)
		if err != nil || !more {
			return err
		}
	}
}

// catchUp applies up to ahead further commits; more says whether there may be others.
func (p *Partition[S]) catchUp(ctx context.Context, ahead int) (more bool, err error) {
	commits, err := p.read(ctx, p.head+1, ahead)
	if err != nil || len(commits) == 0 {
		return false, err
	}
	if !p.opts.Resident {
		if err := p.load(ctx, p.cold(commits)); err != nil {
			return false, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range commits {
		if err := p.apply(c); err != nil {
			return false, err
		}
	}
	return len(commits) == ahead, nil
}

// cold lists the aggregates of the commits that memory lacks.
func (p *Partition[S]) cold(commits []Commit) []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var ids []string
	seen := map[string]bool{}
	for _, c := range commits {
		for _, e := range c.Events {
			if p.warm[e.Aggregate] == nil && !seen[e.Aggregate] {
				seen[e.Aggregate] = true
				ids = append(ids, e.Aggregate)
			}
		}
	}
	return ids
}

// apply takes a commit of another writer, or of the past, into memory; p.mu is held.
func (p *Partition[S]) apply(c Commit) error {
	if c.Before != p.published {
		return fmt.Errorf("%w: commit %d of %s follows %d published events, and counts %d", ErrCorrupt, c.N, p.name, p.published, c.Before)
	}
	for _, e := range c.Events {
		a := p.warm[e.Aggregate]
		if a == nil {
			a = &aggregate[S]{}
		}
		if e.Seq <= a.seq {
			continue // its document had it already
		}
		if e.Seq != a.seq+1 {
			return fmt.Errorf("%w: commit %d of %s: event %d of %s follows %d", ErrCorrupt, c.N, p.name, e.Seq, e.Aggregate, a.seq)
		}
		state, err := p.model.Apply(e.Aggregate, a.state, e)
		if err != nil {
			return fmt.Errorf("%w: commit %d of %s: apply %s: %w", ErrCorrupt, c.N, p.name, e.Type, err)
		}
		p.warm[e.Aggregate] = &aggregate[S]{state: state, seq: e.Seq, commit: c.N, dirty: true}
	}
	p.announce(c)
	return nil
}
