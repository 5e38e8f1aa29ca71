package commitlog

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// checkpoint is stored after documents were written. A checkpoint without Aside is complete. A partial one is stored
// under a key of its own, because an earlier release would start from it and miss what is set aside.
type checkpoint struct {
	Commit    uint64 `json:"n"` // every document includes the log up to this commit, except those in Aside
	Published uint64 `json:"p"` // how many events are published up to it: the next commit continues to count here
	// Aside has the aggregates whose documents could not be written, with the commit of their last event.
	Aside map[string]uint64 `json:"a,omitempty"`
}

// deferredTicks is how often a process leaves the documents to another one that has written a checkpoint, before it
// writes documents itself. So one of several replicas writes, and the others read one key.
const deferredTicks = 3

// runCheckpoints writes documents until the partition closes.
func (p *Partition[S]) runCheckpoints(ctx context.Context) {
	tick := time.NewTicker(p.opts.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			p.checkpointing.Lock()
			err := p.checkpointInTurn(ctx)
			p.checkpointing.Unlock()
			p.metrics.observeCheckpoint(err)
			switch {
			case errors.Is(err, errContended):
				telemetry.Log(ctx).Debug().Str(field.Log, p.name).Msg("another process writes the same documents")
			case err != nil:
				telemetry.Log(ctx).Warn().Str(field.Error, shortened(err)).Str(field.Log, p.name).
					Msg("a checkpoint could not be written, will try again")
			}
		}
	}
}

// checkpoint writes a checkpoint now, in at most five attempts.
func (p *Partition[S]) checkpoint(ctx context.Context) (err error) {
	p.checkpointing.Lock()
	defer p.checkpointing.Unlock()
	for attempt := range 5 {
		time.Sleep(time.Duration(attempt) * 5 * time.Millisecond)
		if err = p.writeCheckpoint(ctx); err == nil {
			break
		}
	}
	return err
}

// checkpointInTurn writes a checkpoint unless another process does so at present.
func (p *Partition[S]) checkpointInTurn(ctx context.Context) error {
	if !p.hasDirty() {
		return nil
	}
	latest, err := p.readCheckpoint(ctx)
	if err != nil {
		return err
	}
	if latest.Commit > p.checkpointed.Load() {
		p.adopt(latest)
		p.deferred = deferredTicks
	}
	if p.deferred > 0 {
		p.deferred--
		return nil
	}
	err = p.writeCheckpoint(ctx)
	if errors.Is(err, errContended) {
		p.deferred = 1 + rand.IntN(deferredTicks) // not as long as the other process, which has lost too
	}
	return err
}

// readCheckpoint reads the latest checkpoint, complete or partial.
func (p *Partition[S]) readCheckpoint(ctx context.Context) (latest checkpoint, err error) {
	keys := []string{layout.CheckpointKey(p.documentsName()), layout.PartialCheckpointKey(p.documentsName())}
	items, err := p.store.GetMany(ctx, keys)
	if err != nil {
		return latest, err
	}
	for _, key := range keys {
		var c checkpoint
		if item := items[key]; item.Found() {
			if err := sidecar.DecodeJSON(item, &c); err != nil {
				return latest, err
			}
		}
		if c.Commit > latest.Commit {
			latest = c
		}
	}
	return latest, nil
}

// adopt marks the aggregates clean whose documents are written, as the checkpoint of another process says.
func (p *Partition[S]) adopt(latest checkpoint) {
	p.checkpointed.Store(latest.Commit)
	written := map[string]*aggregate[S]{}
	p.mu.RLock()
	for id, a := range p.warm {
		if _, aside := latest.Aside[id]; a.dirty && a.commit <= latest.Commit && !aside {
			written[id] = a
		}
	}
	p.mu.RUnlock()
	p.markClean(written)
}

// writeCheckpoint writes the documents of dirty aggregates, and then the checkpoint. The documents that the store
// refuses are set aside. The caller has locked p.checkpointing. Errors: errContended and those of the store.
func (p *Partition[S]) writeCheckpoint(ctx context.Context) error {
	current, dirty := p.dirtyAggregates()
	if len(dirty) == 0 {
		return nil
	}
	refused, err := p.writeDocuments(ctx, dirty)
	if err != nil {
		return err
	}
	current.Aside = p.asideAfter(dirty, refused)
	key := layout.CheckpointKey(p.documentsName())
	if len(current.Aside) > 0 {
		key = layout.PartialCheckpointKey(p.documentsName())
	}
	if err := layout.PutJSON(ctx, p.store, key, current); err != nil {
		return err
	}
	p.checkpointed.Store(current.Commit)
	p.setAside(ctx, dirty, refused)
	for id := range refused {
		delete(dirty, id)
	}
	p.markClean(dirty)
	return nil
}

func (p *Partition[S]) hasDirty() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, a := range p.warm {
		if a.dirty && p.aside[id] != a.seq {
			return true
		}
	}
	return false
}

// dirtyAggregates returns the aggregates whose documents are older than memory, except those that are set aside and
// have not changed since. It also returns the checkpoint that may be stored when they are written.
func (p *Partition[S]) dirtyAggregates() (current checkpoint, dirty map[string]*aggregate[S]) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	dirty = map[string]*aggregate[S]{}
	for id, a := range p.warm {
		if a.dirty && p.aside[id] != a.seq {
			dirty[id] = a
		}
	}
	return checkpoint{Commit: p.head, Published: p.published}, dirty
}

// markClean marks aggregates whose documents are written, except those that have changed since.
func (p *Partition[S]) markClean(written map[string]*aggregate[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range written {
		delete(p.aside, id)
		if p.warm[id] == a {
			clean := *a
			clean.dirty = false
			p.warm[id] = &clean
		}
	}
}

// evictClean removes clean aggregates from memory until it has no more than Options.Warm. It chooses them at random: in
// the order of a Go map. Only the writer calls it, between batches.
func (p *Partition[S]) evictClean() {
	if p.opts.Resident {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range p.warm {
		if len(p.warm) <= p.opts.Warm {
			return
		}
		if !a.dirty {
			delete(p.warm, id)
			p.evictions++
		}
	}
}

// shortened is the text of an error, whose list of keys may be long.
func shortened(err error) string {
	const most = 300
	if text := err.Error(); len(text) > most {
		return text[:most] + " …"
	} else {
		return text
	}
}
