package projection

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// document is the stored form of a document.
type document struct {
	Commit uint64          `json:"n"` // of the last event that it includes
	Index  int             `json:"i"` // of that event within the commit
	Value  json.RawMessage `json:"v"`
	etag   string
}

func (d *document) includes(commit uint64, index int) bool {
	return commit < d.Commit || commit == d.Commit && index <= d.Index
}

// readDocuments reads documents from the store. One that does not exist yet is empty.
func (p *Projection) readDocuments(ctx context.Context, keys []string) (map[string]*document, error) {
	stored := make([]string, len(keys))
	for i, key := range keys {
		stored[i] = p.documentKey(key)
	}
	items, err := p.log.Store().GetMany(ctx, stored)
	if err != nil {
		return nil, err
	}
	docs := make(map[string]*document, len(keys))
	for i, key := range keys {
		d := &document{}
		if item := items[stored[i]]; item.Found() {
			if err := sidecar.DecodeJSON(item, d); err != nil {
				return nil, err
			}
			d.etag = item.ETag
		}
		docs[key] = d
	}
	return docs, nil
}

// applyEvent changes a document by the event at an index of a commit.
func (p *Projection) applyEvent(d *document, key string, commit uint64, index int, e commitlog.Event) error {
	value, err := p.model.Apply(key, d.Value, e)
	if err != nil {
		return fmt.Errorf("%w: document %s, commit %d: %w", commitlog.ErrCorrupt, key, commit, err)
	}
	d.Value, d.Commit, d.Index = value, commit, index
	return nil
}

// etags returns the versions of documents.
func etags(docs map[string]*document) map[string]string {
	versions := make(map[string]string, len(docs))
	for key, d := range docs {
		versions[key] = d.etag
	}
	return versions
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
