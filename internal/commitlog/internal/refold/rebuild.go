package refold

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// Write stores documents: Overwrite or KeepNewer.
type Write func(ctx context.Context, store sidecar.State, documents []sidecar.Item) error

// Rebuilt is the result of Rebuild.
type Rebuilt[C any] struct {
	Last C      // the last commit that the documents include
	N    uint64 // its number, 0 if the log is empty
	// Aside has the keys of the documents that are too large for a store, and the commits of their last events.
	Aside map[string]uint64
}

// Rebuild makes all documents from the log, up to its end, and stores them, except those that are too large.
func (s Source[C]) Rebuild(ctx context.Context, write Write) (r Rebuilt[C], err error) {
	r.Aside = map[string]uint64{}
	to := uint64(math.MaxUint64)
	err = inParts(func(p part) error {
		docs := s.New()
		folded, err := s.foldUpTo(ctx, to, p, docs)
		if err != nil {
			return err
		}
		to, r.Last, r.N = folded.n, folded.commit, folded.n // every part ends where the first one did
		var items []sidecar.Item
		for _, key := range docs.Keys() {
			value, commit, err := docs.Value(key)
			if err != nil {
				return err
			}
			if len(value) > sidecar.MaxValue {
				r.Aside[key] = commit
				continue
			}
			items = append(items, sidecar.Item{Key: docs.StoredKey(key), Value: value})
		}
		return write(ctx, s.Store, items)
	})
	return r, err
}

// Overwrite replaces all documents, whatever the store has.
func Overwrite(ctx context.Context, store sidecar.State, documents []sidecar.Item) error {
	return store.PutMany(ctx, documents)
}

// KeepNewer stores documents except those of which the store has a version that includes as much of the log, or more.
// Other processes may write the same documents meanwhile.
func KeepNewer(ctx context.Context, store sidecar.State, documents []sidecar.Item) error {
	for batch := range slices.Chunk(documents, layout.ReadAhead) {
		if err := sidecar.RetryConflicts(func() error { return putNewer(ctx, store, batch) }); err != nil {
			return err
		}
	}
	return nil
}

func putNewer(ctx context.Context, store sidecar.State, documents []sidecar.Item) error {
	newer := make(map[string]sidecar.Item, len(documents))
	for _, item := range documents {
		newer[item.Key] = item
	}
	stored, err := store.GetMany(ctx, slices.Sorted(maps.Keys(newer)))
	if err != nil {
		return err
	}
	for key, item := range newer {
		existing := stored[key]
		if !existing.Found() {
			continue
		}
		if lastEventIn(existing.Value).compare(lastEventIn(item.Value)) >= 0 {
			delete(newer, key)
			continue
		}
		item.ETag = existing.ETag
		newer[key] = item
	}
	if len(newer) == 0 {
		return nil
	}
	return store.PutManyIf(ctx, slices.Collect(maps.Values(newer)))
}

// position is the place of an event in the log. Every stored document names that of the last event that it includes:
// the document of an aggregate by the commit alone.
type position struct {
	Commit uint64 `json:"n"`
	Index  int    `json:"i"` // within the commit
}

// lastEventIn reads the position from a document. A document that cannot be decoded includes nothing.
func lastEventIn(document []byte) position {
	var p position
	_ = json.Unmarshal(document, &p)
	return p
}

func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.Commit, other.Commit), cmp.Compare(p.Index, other.Index))
}
