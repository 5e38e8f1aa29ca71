package commitlog

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// checkpoint is stored after documents were written.
type checkpoint struct {
	Commit    uint64 `json:"n"` // every document includes the log up to this commit
	Published uint64 `json:"p"` // how many events are published up to it: the next commit continues to count here
}

// runCheckpoints writes documents until the partition closes.
func (p *Partition[S]) runCheckpoints(ctx context.Context) {
	tick := time.NewTicker(p.opts.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			if err := p.tryCheckpoint(ctx); err != nil {
				telemetry.Log(ctx).Warn().Err(err).Str("partition", p.name).
					Msg("a checkpoint could not be written, will try again")
			}
		}
	}
}

// checkpoint writes a checkpoint in at most five attempts: an attempt fails when another process writes the same
// documents at the same moment.
func (p *Partition[S]) checkpoint(ctx context.Context) (err error) {
	for attempt := range 5 {
		time.Sleep(time.Duration(attempt) * 5 * time.Millisecond)
		if err = p.tryCheckpoint(ctx); err == nil {
			break
		}
	}
	return err
}

// tryCheckpoint writes the documents of dirty aggregates, then the checkpoint. A document never replaces a newer one,
// whichever process wrote that: documents are read first, and each is written only if it has not changed since.
func (p *Partition[S]) tryCheckpoint(ctx context.Context) error {
	p.checkpointing.Lock()
	defer p.checkpointing.Unlock()
	current, dirty := p.dirtyAggregates()
	if len(dirty) == 0 {
		return nil
	}
	ids := make([]string, 0, len(dirty))
	keys := make([]string, 0, len(dirty))
	for id := range dirty {
		ids, keys = append(ids, id), append(keys, layout.DocumentKey(p.documentsName(), id))
	}
	stored, err := p.store.GetMany(ctx, keys)
	if err != nil {
		return err
	}
	var writes []sidecar.Item
	for i, id := range ids {
		item, a := stored[keys[i]], dirty[id]
		if item.Found() {
			var d document
			if err := json.Unmarshal(item.Value, &d); err == nil && d.Seq >= a.seq {
				continue
			}
		}
		value, err := a.encode(keys[i])
		if err != nil {
			return err
		}
		writes = append(writes, sidecar.Item{Key: keys[i], Value: value, ETag: item.ETag})
	}
	if err := p.store.PutManyIf(ctx, writes); err != nil {
		return err
	}
	if err := layout.PutJSON(ctx, p.store, layout.CheckpointKey(p.documentsName()), current); err != nil {
		return err
	}
	p.markClean(dirty)
	return nil
}

// dirtyAggregates returns the aggregates whose documents are older than memory, and the checkpoint that may be stored
// when they are written.
func (p *Partition[S]) dirtyAggregates() (current checkpoint, dirty map[string]*aggregate[S]) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	dirty = map[string]*aggregate[S]{}
	for id, a := range p.warm {
		if a.dirty {
			dirty[id] = a
		}
	}
	return checkpoint{p.head, p.published}, dirty
}

// markClean marks aggregates whose documents are written, except those that have changed since.
func (p *Partition[S]) markClean(written map[string]*aggregate[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range written {
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
