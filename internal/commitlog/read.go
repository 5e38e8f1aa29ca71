package commitlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Read pages through the log: the commits from number from on, at most limit (1–100), and fewer only at its end. It
// includes commits of other processes that this one has not applied yet.
func (p *Partition[S]) Read(ctx context.Context, from uint64, limit int) ([]Commit, error) {
	return p.readCommits(ctx, from, min(limit, 100))
}

func (p *Partition[S]) readCommits(ctx context.Context, from uint64, limit int) ([]Commit, error) {
	commits, err := readCommits(ctx, p.store, p.name, p.model.Upcasters, from, limit)
	if errors.Is(err, ErrNewer) && !p.newer.Swap(true) {
		telemetry.Log(ctx).Error().Err(err).Str(field.Log, p.name).
			Msg("a newer release of this service writes the log; this process is not ready any more")
	}
	return commits, err
}

// readCommit reads a commit that must exist.
func (p *Partition[S]) readCommit(ctx context.Context, n uint64) (Commit, error) {
	commits, err := p.readCommits(ctx, n, 1)
	if err == nil && len(commits) == 0 {
		err = fmt.Errorf("%w: %s is missing", ErrCorrupt, layout.CommitKey(p.name, n))
	}
	if err != nil {
		return Commit{}, err
	}
	return commits[0], nil
}

// readUpToHead returns commits from number from on, at most limit and none after the head. Recent ones are in memory.
func (p *Partition[S]) readUpToHead(ctx context.Context, from uint64, limit int) ([]Commit, error) {
	p.mu.RLock()
	head, recent := p.head, p.recent
	p.mu.RUnlock()
	if from > head {
		return nil, nil
	}
	limit = int(min(uint64(limit), head-from+1))
	if len(recent) > 0 && recent[0].N <= from {
		start := int(from - recent[0].N)
		return recent[start : start+limit], nil
	}
	return p.readCommits(ctx, from, limit)
}

func readCommits(ctx context.Context, store sidecar.State, log string, up Upcasters, from uint64, limit int) (
	[]Commit, error) {
	keys := make([]string, limit)
	for i := range keys {
		keys[i] = layout.CommitKey(log, from+uint64(i))
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

// readLog brings memory from the checkpoint, or from nothing if the partition is Resident, to the end of the log.
func (p *Partition[S]) readLog(ctx context.Context) error {
	if !p.opts.Resident {
		c, err := p.readCheckpoint(ctx)
		if err != nil {
			return err
		}
		p.head, p.published = c.Commit, c.Published
		p.checkpointed.Store(c.Commit)
		if err := p.restoreAside(ctx, c.Aside); err != nil {
			return err
		}
	}
	return p.catchUp(ctx, layout.ReadAhead)
}

// sync applies what other writers have committed. Usually there is nothing, so it first reads only one commit.
func (p *Partition[S]) sync(ctx context.Context) error { return p.catchUp(ctx, 1) }

// catchUp applies commits up to the end of the log. The first read is for as many as first says.
func (p *Partition[S]) catchUp(ctx context.Context, first int) error {
	for limit := first; ; limit = layout.ReadAhead {
		n, err := p.applyNext(ctx, limit)
		if err != nil || n < limit {
			return err
		}
	}
}

// applyNext applies the commits after the head, at most limit, and returns how many there were.
func (p *Partition[S]) applyNext(ctx context.Context, limit int) (int, error) {
	commits, err := p.readCommits(ctx, p.head+1, limit)
	if err != nil || len(commits) == 0 {
		return 0, err
	}
	if !p.opts.Resident {
		if err := p.loadChanged(ctx, commits); err != nil {
			return 0, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range commits {
		if err := p.applyCommit(c); err != nil {
			return 0, err
		}
	}
	return len(commits), nil
}

// loadChanged brings the aggregates that commits change into memory. One whose document is damaged is made from its
// events, because otherwise it would stop the whole partition.
func (p *Partition[S]) loadChanged(ctx context.Context, commits []Commit) error {
	for {
		err := p.loadDocuments(ctx, changedBy(commits))
		var damaged damagedDocument
		if !errors.As(err, &damaged) {
			return err
		}
		telemetry.Log(ctx).Error().Err(err).Str(field.Log, p.name).
			Msg("a document is damaged, its aggregate is made from its events")
		first := slices.IndexFunc(commits, func(c Commit) bool { return c.has(damaged.id) })
		a, err := p.foldHistory(ctx, &aggregate[S]{}, damaged.id, commits[first].previousOf(damaged.id))
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.warm[damaged.id] = a
		p.mu.Unlock()
	}
}

// applyCommit applies a commit of another writer, or an old one, to memory. The caller has locked p.mu.
func (p *Partition[S]) applyCommit(c Commit) error {
	if c.Before != p.published {
		return fmt.Errorf("%w: commit %d of %s counts %d published events before it, and there are %d",
			ErrCorrupt, c.N, p.name, c.Before, p.published)
	}
	for _, e := range c.Events {
		var a aggregate[S]
		if warm := p.warm[e.Aggregate]; warm != nil {
			a = *warm
		}
		if e.Seq <= a.seq {
			continue // its document includes the event
		}
		next, err := p.model.next(a, p.name, c.N, e)
		if err != nil {
			return err
		}
		p.warm[e.Aggregate] = &next
	}
	p.advanceHead(c)
	return nil
}
