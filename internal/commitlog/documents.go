package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// document is the stored form of an aggregate.
type document struct {
	Commit uint64          `json:"n"` // the last commit with an event of the aggregate that is included
	Seq    uint64          `json:"s"`
	State  json.RawMessage `json:"v"`
}

// encode returns the aggregate's document.
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

// decode reads an aggregate from its document. Error: ErrCorrupt.
func (a *aggregate[S]) decode(item sidecar.Item) error {
	var d document
	if err := sidecar.DecodeJSON(item, &d); err != nil {
		return err
	}
	if err := json.Unmarshal(d.State, &a.state); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
	}
	a.seq, a.commit = d.Seq, d.Commit
	return nil
}

// damagedDocument is the error for a document that cannot be decoded. It is an ErrCorrupt.
type damagedDocument struct {
	id string // of the aggregate
	error
}

func (d damagedDocument) Unwrap() error { return d.error }

// Preload reads aggregates that the next command will name, so that the writer need not wait for them, and further keys
// of the store in the same call. It returns those of the further keys that exist. After an error, the command reads the
// aggregates itself.
func (p *Partition[S]) Preload(ctx context.Context, ids []string, further ...string) (map[string]sidecar.Item, error) {
	p.mu.RLock()
	evictions, cold := p.evictions, []string(nil)
	for _, id := range ids {
		if p.warm[id] == nil {
			cold = append(cold, id)
		}
	}
	p.mu.RUnlock()
	loaded, items, err := p.readDocuments(ctx, cold, further)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.evictions != evictions {
		return items, nil // an aggregate may have been loaded, changed and evicted meanwhile
	}
	for id, a := range loaded {
		if p.warm[id] == nil {
			p.warm[id] = a
		}
	}
	return items, nil
}

// loadDocuments brings those of the aggregates into memory that are not there; one without a document becomes an empty
// aggregate. Only the writer calls it. An aggregate that is not in memory has no event since the last checkpoint (it
// would be dirty, and dirty aggregates are not evicted), so its document is complete.
func (p *Partition[S]) loadDocuments(ctx context.Context, ids iter.Seq[string]) error {
	cold := p.notInMemory(ids)
	if len(cold) == 0 {
		return nil
	}
	loaded, _, err := p.readDocuments(ctx, cold, nil)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.warm, loaded)
	return nil
}

// notInMemory lists those of the aggregates that are not in memory, each once.
func (p *Partition[S]) notInMemory(ids iter.Seq[string]) []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var cold []string
	for id := range ids {
		if p.warm[id] == nil {
			cold = append(cold, id)
		}
	}
	slices.Sort(cold)
	return slices.Compact(cold)
}

// namedBy yields the aggregates that commands name.
func namedBy[S any](batch []*command[S]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range batch {
			for _, id := range c.ids {
				if !yield(id) {
					return
				}
			}
		}
	}
}

// changedBy yields the aggregates that commits change.
func changedBy(commits []Commit) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range commits {
			for _, e := range c.Events {
				if !yield(e.Aggregate) {
					return
				}
			}
		}
	}
}

// readDocuments reads the stored documents of aggregates, and the items of further keys.
func (p *Partition[S]) readDocuments(ctx context.Context, ids, further []string) (
	map[string]*aggregate[S], map[string]sidecar.Item, error) {
	keys := make([]string, len(ids), len(ids)+len(further))
	for i, id := range ids {
		keys[i] = layout.DocumentKey(p.documentsName(), id)
	}
	items, err := p.store.GetMany(ctx, append(keys, further...))
	if err != nil {
		return nil, nil, err
	}
	loaded := make(map[string]*aggregate[S], len(ids))
	for i, id := range ids {
		a := &aggregate[S]{}
		if item, ok := items[keys[i]]; ok {
			if err := a.decode(item); err != nil {
				return nil, nil, damagedDocument{id, err}
			}
			delete(items, keys[i])
		}
		loaded[id] = a
	}
	return loaded, items, nil
}
