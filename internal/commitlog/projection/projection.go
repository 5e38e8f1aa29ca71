package projection

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// Model makes documents from events. Both functions are pure.
type Model struct {
	// Keys names the documents that the event changes: printable ASCII without "||".
	Keys func(e commitlog.Event) []string
	// Apply returns a document as it is after the event; doc is nil before the first one. Apply does not change doc
	// and depends on no other document, because each is written by itself.
	Apply func(key string, doc json.RawMessage, e commitlog.Event) (json.RawMessage, error)
	// Version of the documents' shape, 1 if zero; see commitlog.Model.Version and Projection.Open.
	Version int
}

// Log is what a projection needs of a log. Every *commitlog.Partition implements it.
type Log interface {
	Name() string
	Store() sidecar.State
	Head() uint64
	Read(ctx context.Context, from uint64, limit int) ([]commitlog.Commit, error)
	Cursor(ctx context.Context, follower string) (uint64, error)
	AwaitCursor(ctx context.Context, follower string) (commit uint64, ok bool)
	Follow(ctx context.Context, follower string, limit int, fn func(context.Context, []commitlog.Commit) error)
}

// Projection is a read model of a log. Its documents are stored under view/<log>/<name>/<key>. Its methods may be
// called concurrently.
type Projection struct {
	name  string
	log   Log
	model Model

	waiting chan struct{} // has an element if a caller of Wait waits: the next commits are applied at once

	mu       sync.Mutex
	started  bool          // applied is the stored cursor or later
	applied  uint64        // every document includes the log up to this commit
	advanced chan struct{} // closed and replaced when applied grows
}

// New returns a projection of a log. Open and Run are called next.
func New(log Log, name string, m Model) *Projection {
	return &Projection{name: name, log: log, model: m, waiting: make(chan struct{}, 1), advanced: make(chan struct{})}
}

// Name of the projection.
func (p *Projection) Name() string { return p.name }

func (p *Projection) versionedName() string { return layout.Versioned(p.name, p.model.Version) }

func (p *Projection) documentKey(key string) string {
	return layout.ProjectionKey(p.log.Name(), p.versionedName(), key)
}

// follower is the name under which the projection's cursor is stored.
func (p *Projection) follower() string { return "view-" + p.versionedName() }

// batchDelay is how long a projection lets commits collect when no caller waits for it: one read and one write serve
// many commits.
const batchDelay = 100 * time.Millisecond

// Run applies new commits to the documents until ctx ends or the partition closes. While the store is unavailable it
// tries again.
func (p *Projection) Run(ctx context.Context) {
	commit, ok := p.log.AwaitCursor(ctx, p.follower())
	if !ok {
		return
	}
	p.advanceTo(commit)
	p.log.Follow(ctx, p.follower(), layout.ReadAhead, func(ctx context.Context, commits []commitlog.Commit) error {
		if err := p.applyCommits(ctx, commits); err != nil {
			return fmt.Errorf("projection %s: %w", p.name, err)
		}
		p.advanceTo(commits[len(commits)-1].N)
		if len(commits) == layout.ReadAhead {
			return nil // there are probably more
		}
		select {
		case <-p.waiting:
		case <-time.After(batchDelay):
		case <-ctx.Done():
		}
		return nil
	})
}

func (p *Projection) advanceTo(commit uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.applied = true, max(p.applied, commit)
	close(p.advanced)
	p.advanced = make(chan struct{})
}

// Wait returns when the documents include the log up to a commit, or with ctx's error when ctx ends. It needs Run.
func (p *Projection) Wait(ctx context.Context, commit uint64) error {
	for {
		p.mu.Lock()
		applied, advanced := p.applied, p.advanced
		p.mu.Unlock()
		if applied >= commit {
			return nil
		}
		select {
		case p.waiting <- struct{}{}:
		default:
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get reads documents by their keys. Those that do not exist are absent from the answer.
func (p *Projection) Get(ctx context.Context, keys ...string) (map[string]json.RawMessage, error) {
	docs, err := p.readDocuments(ctx, keys)
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

// maxConflicts is how often commits are applied while other replicas write the same documents.
const maxConflicts = 25

// applyCommits applies commits to the documents that they change and stores these. Other replicas apply the same
// commits: if one of them was faster, the documents are read again, and most often include the commits.
func (p *Projection) applyCommits(ctx context.Context, commits []commitlog.Commit) error {
	keys := p.changedKeys(commits)
	docs, err := p.readDocuments(ctx, keys)
	for attempt := 1; err == nil; attempt++ {
		before := etags(docs)
		failed := p.applyTo(ctx, docs, commits)
		if failed == nil || attempt == maxConflicts {
			return failed
		}
		if docs, err = p.readDocuments(ctx, keys); err == nil && maps.Equal(before, etags(docs)) {
			return failed // no other replica was the reason
		}
	}
	return err
}

// applyTo applies commits to documents that were read and stores those that change.
func (p *Projection) applyTo(ctx context.Context, docs map[string]*document, commits []commitlog.Commit) error {
	changed := map[string]bool{}
	for _, c := range commits {
		for i, e := range c.Events {
			for _, key := range p.model.Keys(e) {
				if docs[key].includes(c.N, i) {
					continue
				}
				if err := p.applyEvent(docs[key], key, c.N, i, e); err != nil {
					return err
				}
				changed[key] = true
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	var items []sidecar.Item
	for _, key := range sortedKeys(changed) {
		value, err := json.Marshal(docs[key])
		if err != nil {
			return fmt.Errorf("encode %s: %w", p.documentKey(key), err)
		}
		items = append(items, sidecar.Item{Key: p.documentKey(key), Value: value, ETag: docs[key].etag})
	}
	return p.log.Store().PutManyIf(ctx, items)
}

// changedKeys lists the documents that the commits change.
func (p *Projection) changedKeys(commits []commitlog.Commit) []string {
	var keys []string
	for _, c := range commits {
		for _, e := range c.Events {
			keys = append(keys, p.model.Keys(e)...)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
