package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"haberdash/internal/sidecar"
)

// load brings the documents of cold aggregates into memory; one that has none is remembered as empty.
// Only the writer calls it. Cold means that no event since the last checkpoint concerns the aggregate (it
// would be dirty, and dirty ones stay), so its document is complete.
func (p *Partition[S]) load(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	loaded, _, err := p.documents(ctx, ids, nil)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.warm, loaded)
	return nil
}

// Preload reads aggregates that a command is about to name, so that the writer need not: beside something else that
// the caller waits for. It reads further keys of the store in the same call and gives what it found of them. After
// an error the command reads for itself.
func (p *Partition[S]) Preload(ctx context.Context, ids []string, also ...string) (map[string]sidecar.Item, error) {
	p.mu.RLock()
	evictions, cold := p.evictions, []string(nil)
	for _, id := range ids {
		if p.warm[id] == nil {
			cold = append(cold, id)
		}
	}
	p.mu.RUnlock()
	loaded, items, err := p.documents(ctx, cold, also)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.evictions != evictions {
		return items, nil // one of them may have come, changed and gone meanwhile
	}
	for id, a := range loaded {
		if p.warm[id] == nil {
			p.warm[id] = a
		}
	}
	return items, nil
}

// documents reads aggregates as they were written last, and further keys as they are.
func (p *Partition[S]) documents(ctx context.Context, ids, also []string) (map[string]*aggregate[S], map[string]sidecar.Item, error) {
	keys := make([]string, len(ids), len(ids)+len(also))
	for i, id := range ids {
		keys[i] = docKey(p.documentsName(), id)
	}
	items, err := p.store.GetMany(ctx, append(keys, also...))
	if err != nil {
		return nil, nil, err
	}
	loaded := make(map[string]*aggregate[S], len(ids))
	for i, id := range ids {
		a := &aggregate[S]{}
		if item, ok := items[keys[i]]; ok {
			var d document
			err := json.Unmarshal(item.Value, &d)
			if err == nil {
				err = json.Unmarshal(d.State, &a.state)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, keys[i], err)
			}
			a.seq, a.commit = d.Seq, d.Commit
			delete(items, keys[i])
		}
		loaded[id] = a
	}
	return loaded, items, nil
}

// writeCheckpoint writes the documents that are behind, then the checkpoint. A document is never
// replaced by an older one, whichever process writes it: it is read first and written on condition.
func (p *Partition[S]) writeCheckpoint(ctx context.Context) error {
	p.checkpointing.Lock()
	defer p.checkpointing.Unlock()
	now, dirty := p.dirty()
	if len(dirty) == 0 {
		return nil
	}
	ids := make([]string, 0, len(dirty))
	keys := make([]string, 0, len(dirty))
	for id := range dirty {
		ids, keys = append(ids, id), append(keys, docKey(p.documentsName(), id))
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
	if err := putJSON(ctx, p.store, checkpointKey(p.documentsName()), now); err != nil {
		return err
	}
	p.clean(dirty)
	return nil
}

// encode gives the aggregate's document.
func (a *aggregate[S]) encode(key string) ([]byte, error) {
	state, err := json.Marshal(a.state)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", key, err)
	}
	value, err := json.Marshal(document{Commit: a.commit, Seq: a.seq, State: state})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", key, err)
	}
	return value, nil
}

func (p *Partition[S]) dirty() (now checkpoint, dirty map[string]*aggregate[S]) {
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

// clean marks what was written, unless it has changed meanwhile (then another value stands there).
func (p *Partition[S]) clean(written map[string]*aggregate[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range written {
		if p.warm[id] == a {
			c := *a
			c.dirty = false
			p.warm[id] = &c
		}
	}
}

// evict forgets clean aggregates beyond Warm. Which ones does not matter for correctness; map order is
// random enough. Only the writer calls it, between batches.
func (p *Partition[S]) evict() {
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
