package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// errContended means that another process has written the same documents at the same moment.
var errContended = errors.New("commitlog: another process writes the same documents")

// maxAside bounds the documents that are set aside. If there are more, the store has a fault, and not the documents.
const maxAside = 1000

// SetAside lists the aggregates whose documents the store refuses, for example because they are too large. They are
// right in memory, stay there, and are made from their events again at a start. Their documents are written again when
// they change.
func (p *Partition[S]) SetAside() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Sorted(maps.Keys(p.aside))
}

// writeDocuments writes the documents of aggregates, and returns why it could not write some of them. A document never
// replaces a newer one, whichever process wrote that: documents are read first, and each is written only if it has not
// changed since. Errors: errContended and those of a store that is unavailable.
func (p *Partition[S]) writeDocuments(ctx context.Context, dirty map[string]*aggregate[S]) (
	refused map[string]error, err error) {
	refused = map[string]error{}
	ids := slices.Sorted(maps.Keys(dirty))
	for {
		writes, left, err := p.documentsToWrite(ctx, dirty, ids, refused)
		if err != nil || len(writes) == 0 {
			return refused, err
		}
		if p.store.PutManyIf(ctx, writes) == nil {
			return refused, nil
		}
		if len(left) == len(ids) { // no document was written since the last attempt
			return refused, p.writeEach(ctx, writes, left, refused)
		}
		ids = left
	}
}

// documentsToWrite reads the stored documents of aggregates and returns those that must be written, and their
// aggregates. A document that is too large is refused.
func (p *Partition[S]) documentsToWrite(ctx context.Context, dirty map[string]*aggregate[S], ids []string,
	refused map[string]error) (writes []sidecar.Item, left []string, err error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = layout.DocumentKey(p.documentsName(), id)
	}
	stored, err := p.store.GetMany(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	for i, id := range ids {
		item, a := stored[keys[i]], dirty[id]
		var d document
		if item.Found() && json.Unmarshal(item.Value, &d) == nil && d.Seq >= a.seq {
			continue
		}
		value, err := a.encode(keys[i])
		if err == nil && len(value) > sidecar.MaxValue {
			err = fmt.Errorf("%d bytes, and a store takes %d", len(value), sidecar.MaxValue)
		}
		if err != nil {
			refused[id] = err
			continue
		}
		writes = append(writes, sidecar.Item{Key: keys[i], Value: value, ETag: item.ETag})
		left = append(left, id)
	}
	return writes, left, nil
}

// writeEach writes documents one by one, after they could not be written together, to find those that the store
// refuses. If the store refuses them all, a write of the checkpoint fails too: see writeCheckpoint.
func (p *Partition[S]) writeEach(ctx context.Context, writes []sidecar.Item, ids []string,
	refused map[string]error) error {
	for i, w := range writes {
		var err error
		if w.ETag == "" {
			err = p.store.Create(ctx, w.Key, w.Value)
		} else {
			err = p.store.Put(ctx, w.Key, w.Value, w.ETag)
		}
		switch {
		case err == nil:
		case errors.Is(err, sidecar.ErrExists), errors.Is(err, sidecar.ErrStale):
			return errContended
		case ctx.Err() != nil, len(refused) >= maxAside:
			return err
		default:
			if len(refused) == 0 && p.storeRefusesAll(ctx) {
				return err
			}
			refused[ids[i]] = err
		}
	}
	return nil
}

// storeRefusesAll writes a key that no document depends on, to tell a store that is unavailable from a document that it
// refuses.
func (p *Partition[S]) storeRefusesAll(ctx context.Context) bool {
	return layout.PutJSON(ctx, p.store, layout.ProbeKey(p.documentsName()), struct{}{}) != nil
}

// asideAfter returns what is set aside after some of the dirty aggregates were written, as a checkpoint has it.
func (p *Partition[S]) asideAfter(dirty map[string]*aggregate[S], refused map[string]error) map[string]uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	aside := map[string]uint64{}
	for id := range p.aside {
		if a := p.warm[id]; a != nil && dirty[id] == nil {
			aside[id] = a.commit
		}
	}
	for id := range refused {
		aside[id] = dirty[id].commit
	}
	return aside
}

// setAside remembers and reports the documents that the store has refused.
func (p *Partition[S]) setAside(ctx context.Context, dirty map[string]*aggregate[S], refused map[string]error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, err := range refused {
		if _, before := p.aside[id]; !before {
			telemetry.Log(ctx).Error().Str(field.Error, shortened(err)).Str(field.Log, p.name).Str(field.Aggregate, id).
				Msg("the store refuses a document, which is set aside: its aggregate stays in memory")
		}
		p.aside[id] = dirty[id].seq
	}
}

// restoreAside makes the aggregates from their events that a checkpoint has set aside.
func (p *Partition[S]) restoreAside(ctx context.Context, aside map[string]uint64) error {
	for id, last := range aside {
		a, err := p.refoldAggregate(ctx, id, last)
		if err != nil {
			return fmt.Errorf("aggregate %s: %w", id, err)
		}
		p.warm[id] = a
	}
	return nil
}

// refoldAggregate makes an aggregate from its document and its later events, up to those of commit last. If the
// document is damaged, it needs all events.
func (p *Partition[S]) refoldAggregate(ctx context.Context, id string, last uint64) (*aggregate[S], error) {
	loaded, _, err := p.readDocuments(ctx, []string{id}, nil)
	if errors.As(err, &damagedDocument{}) {
		return p.foldHistory(ctx, &aggregate[S]{}, id, last)
	}
	if err != nil {
		return nil, err
	}
	return p.foldHistory(ctx, loaded[id], id, last)
}

// foldHistory adds the later events of an aggregate to it, up to those of commit last. It reads the log backwards.
func (p *Partition[S]) foldHistory(ctx context.Context, a *aggregate[S], id string, last uint64) (
	*aggregate[S], error) {
	var commits []Commit
	for n := last; n > a.commit; {
		c, err := p.readCommit(ctx, n)
		if err != nil {
			return nil, err
		}
		commits = append(commits, c)
		n = c.previousOf(id)
	}
	for _, c := range slices.Backward(commits) {
		for _, e := range c.Events {
			if e.Aggregate != id || e.Seq <= a.seq {
				continue
			}
			next, err := p.model.next(*a, p.name, c.N, e)
			if err != nil {
				return nil, err
			}
			a = &next
		}
	}
	return a, nil
}

// has tells whether the commit has events of an aggregate.
func (c Commit) has(id string) bool {
	return slices.ContainsFunc(c.Events, func(e Event) bool { return e.Aggregate == id })
}

// previousOf is the commit before c that has events of an aggregate, 0 if there is none.
func (c Commit) previousOf(id string) uint64 {
	for _, e := range c.Events {
		if e.Aggregate == id {
			return e.Prev
		}
	}
	return 0
}
