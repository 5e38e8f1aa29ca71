package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"haberdash/internal/sidecar"
)

// ProjectionModel folds a log into documents that are read instead of it. Both functions are pure.
type ProjectionModel struct {
	// Keys names the documents that the event changes: printable ASCII without "||".
	Keys func(e Event) []string
	// Apply gives a document after the event; doc is nil before the first. It does not change doc, and
	// looks at no other document: each is written by itself.
	Apply func(key string, doc json.RawMessage, e Event) (json.RawMessage, error)
	// Version of the documents' shape, 1 if zero; see Model.Version, and Projection.Open.
	Version int
}

// Projection is a read model behind a log. Its documents (view/<partition>/<name>/<key>) are each marked with
// the last event that they include. So a crash between documents and cursor does no harm, nor does another
// replica that runs the same projection: what comes again is passed over.
type Projection struct {
	name  string
	log   tailed
	store sidecar.State
	model ProjectionModel
	hurry chan struct{} // somebody waits: no lingering

	mu    sync.Mutex
	done  uint64 // every document includes the log up to here
	moved chan struct{}
}

// tailed is what a projection needs of a partition of whatever aggregates.
type tailed interface {
	Name() string
	Head() uint64
	Follow(ctx context.Context, follower string, max int, fn func(context.Context, []Commit) error)
	Cursor(ctx context.Context, follower string) (uint64, error)
	upcasters() Upcasters
	outage(ctx context.Context, err error, msg string, wait time.Duration) bool
}

// viewDoc is a document as it is stored.
type viewDoc struct {
	Commit uint64          `json:"n"` // of the last event that it includes
	Index  int             `json:"i"` // within that commit
	Value  json.RawMessage `json:"v"`
	etag   string
}

func (d viewDoc) includes(commit uint64, index int) bool {
	return commit < d.Commit || commit == d.Commit && index <= d.Index
}

// NewProjection makes a projection of the log; Run it then.
func NewProjection[S any](p *Partition[S], name string, m ProjectionModel) *Projection {
	return &Projection{name: name, log: p, store: p.store, model: m, hurry: make(chan struct{}, 1), moved: make(chan struct{})}
}

// Name of the projection.
func (v *Projection) Name() string { return v.name }

func (v *Projection) docKey(key string) string {
	return "view/" + v.log.Name() + "/" + versioned(v.name, v.model.Version) + "/" + key
}

func (v *Projection) follower() string { return "view-" + versioned(v.name, v.model.Version) }

// gatherFor is how long a projection lets commits gather when nobody waits for it: one read and one write serve
// many.
const gatherFor = 100 * time.Millisecond

// Run keeps the documents behind the log until ctx ends or the partition closes; outages are waited out.
func (v *Projection) Run(ctx context.Context) {
	for wait := pause(0); ; wait = pause(wait) {
		at, err := v.log.Cursor(ctx, v.follower())
		if err == nil {
			v.advance(at)
			break
		}
		if !v.log.outage(ctx, err, "projection "+v.name+" cannot read its cursor", wait) {
			return
		}
	}
	v.log.Follow(ctx, v.follower(), readAhead, func(ctx context.Context, commits []Commit) error {
		if err := v.take(ctx, commits); err != nil {
			return fmt.Errorf("projection %s: %w", v.name, err)
		}
		v.advance(commits[len(commits)-1].N)
		if len(commits) == readAhead {
			return nil // it is behind
		}
		select {
		case <-v.hurry:
		case <-time.After(gatherFor):
		case <-ctx.Done():
		}
		return nil
	})
}

// take folds commits into the documents that they touch, and stores these.
func (v *Projection) take(ctx context.Context, commits []Commit) error {
	docs, err := v.load(ctx, v.keysOf(commits))
	if err != nil {
		return err
	}
	changed, err := v.fold(docs, commits)
	if err != nil || len(changed) == 0 {
		return err
	}
	items := make([]sidecar.Item, len(changed))
	for i, key := range changed {
		value, err := json.Marshal(docs[key])
		if err != nil {
			return fmt.Errorf("encode %s: %w", v.docKey(key), err)
		}
		items[i] = sidecar.Item{Key: v.docKey(key), Value: value, ETag: docs[key].etag}
	}
	return v.store.PutManyIf(ctx, items)
}

func (v *Projection) keysOf(commits []Commit) []string {
	var keys []string
	for _, c := range commits {
		for _, e := range c.Events {
			keys = append(keys, v.model.Keys(e)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// load reads documents; one that is not there yet is empty.
func (v *Projection) load(ctx context.Context, keys []string) (map[string]*viewDoc, error) {
	stored := make([]string, len(keys))
	for i, key := range keys {
		stored[i] = v.docKey(key)
	}
	items, err := v.store.GetMany(ctx, stored)
	if err != nil {
		return nil, err
	}
	docs := make(map[string]*viewDoc, len(keys))
	for i, key := range keys {
		d := &viewDoc{}
		if item := items[stored[i]]; item.Found() {
			if err := json.Unmarshal(item.Value, d); err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
			}
			d.etag = item.ETag
		}
		docs[key] = d
	}
	return docs, nil
}

// fold applies commits to documents, of which there are all that they touch, and gives the keys of those that
// it changed.
func (v *Projection) fold(docs map[string]*viewDoc, commits []Commit) (changed []string, err error) {
	for _, c := range commits {
		for i, e := range c.Events {
			for _, key := range v.model.Keys(e) {
				d := docs[key]
				if d.includes(c.N, i) {
					continue
				}
				if d.Value, err = v.model.Apply(key, d.Value, e); err != nil {
					return nil, fmt.Errorf("%w: document %s, commit %d: %w", ErrCorrupt, key, c.N, err)
				}
				d.Commit, d.Index = c.N, i
				changed = append(changed, key)
			}
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed), nil
}

func (v *Projection) advance(to uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done = max(v.done, to)
	close(v.moved)
	v.moved = make(chan struct{})
}

// Wait returns when the documents include the log up to a commit, so that a reader finds what they have just
// written, or when ctx ends.
func (v *Projection) Wait(ctx context.Context, commit uint64) error {
	for {
		v.mu.Lock()
		done, moved := v.done, v.moved
		v.mu.Unlock()
		if done >= commit {
			return nil
		}
		select {
		case v.hurry <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get reads documents by their keys; those that are not there are absent.
func (v *Projection) Get(ctx context.Context, keys ...string) (map[string]json.RawMessage, error) {
	docs, err := v.load(ctx, keys)
	if err != nil {
		return nil, err
	}
	values := make(map[string]json.RawMessage, len(docs))
	for key, d := range docs {
		if d.Commit > 0 {
			values[key] = d.Value
		}
	}
	return values, nil
}
