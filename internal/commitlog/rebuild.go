package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/commitlog/internal/refold"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Rebuild makes all documents of a partition from its log again and replaces those in the store. No process may have
// the partition open. If it is interrupted, no harm is done: it deletes the checkpoint first, and without a checkpoint
// Open reads the whole log.
func Rebuild[S any](ctx context.Context, store sidecar.State, name string, model Model[S]) error {
	documents := layout.Versioned(name, model.Version)
	for _, key := range []string{layout.CheckpointKey(documents), layout.PartialCheckpointKey(documents)} {
		if err := store.Delete(ctx, key, ""); err != nil {
			return fmt.Errorf("rebuild %s: %w", name, err)
		}
	}
	r, err := refoldSource(store, name, model, refold.Limits{}).Rebuild(ctx, refold.Overwrite)
	if err != nil {
		return fmt.Errorf("rebuild %s: %w", name, err)
	}
	key, c := checkpointOf(documents, r)
	return layout.PutJSON(ctx, store, key, c)
}

// checkpointOf returns the checkpoint after a rebuild of the documents with a name, and its key.
func checkpointOf(documents string, r refold.Rebuilt[Commit]) (string, checkpoint) {
	c := checkpoint{Commit: r.N, Published: r.Last.publishedUpTo(), Aside: r.Aside}
	if len(r.Aside) > 0 {
		return layout.PartialCheckpointKey(documents), c
	}
	return layout.CheckpointKey(documents), c
}

// writeDocumentsOfVersion makes the documents of a new version of the model from the log, once. Other replicas may
// write the same documents meanwhile.
func (p *Partition[S]) writeDocumentsOfVersion(ctx context.Context) error {
	if p.model.Version <= 1 || p.opts.Resident {
		return nil
	}
	if written, err := p.readCheckpoint(ctx); err != nil || written.Commit > 0 {
		return err
	}
	r, err := refoldSource(p.store, p.name, p.model, refold.Limits{}).Rebuild(ctx, refold.KeepNewer)
	if err != nil || r.N == 0 {
		return err
	}
	key, c := checkpointOf(p.documentsName(), r)
	value, err := json.Marshal(c)
	if err == nil {
		err = p.store.Create(ctx, key, value)
	}
	if errors.Is(err, sidecar.ErrExists) {
		return nil // another replica wrote a checkpoint, which is at least as new
	}
	return err
}

// Audit makes all documents from the log and compares them, byte for byte, with those in the store and with the
// aggregates in memory. Commands may be committed meanwhile: a document that includes more of the log than the audit is
// compared at the commit that it includes. An audit does not find documents of aggregates that are not in the log,
// because a store cannot list its keys.
func (p *Partition[S]) Audit(ctx context.Context) (contract.Audit, error) {
	return p.AuditWith(ctx, refold.Limits{})
}

// AuditWith is Audit with limits other than the defaults, for tests.
func (p *Partition[S]) AuditWith(ctx context.Context, limits refold.Limits) (contract.Audit, error) {
	p.mu.RLock()
	head, warm := p.head, maps.Clone(p.warm)
	p.mu.RUnlock()
	if !p.opts.Resident {
		if err := p.checkpoint(ctx); err != nil {
			return contract.Audit{}, err
		}
	}
	inMemory := func(key string) ([]byte, error) {
		if a := warm[key]; a != nil && a.seq > 0 {
			return a.encode(key)
		}
		return nil, nil
	}
	return refoldSource(p.store, p.name, p.model, limits).Audit(ctx, contract.Audit{Log: p.name},
		refold.Subject{Commit: head, Stored: !p.opts.Resident, InMemory: inMemory})
}

func refoldSource[S any](store sidecar.State, log string, model Model[S], limits refold.Limits) refold.Source[Commit] {
	return refold.Source[Commit]{
		Store: store, Limits: limits,
		Read: func(ctx context.Context, from uint64, limit int) ([]Commit, error) {
			return readCommits(ctx, store, log, model.Upcasters, from, limit)
		},
		Events: func(c Commit) int { return len(c.Events) },
		New:    func() refold.Documents[Commit] { return &documents[S]{log, model, map[string]aggregate[S]{}} },
	}
}

// documents are the documents of a partition, made from nothing but the log. They implement refold.Documents.
type documents[S any] struct {
	log        string
	model      Model[S]
	aggregates map[string]aggregate[S]
}

func (d *documents[S]) Fold(c Commit, included func(string) bool) error {
	for _, e := range c.Events {
		if !included(e.Aggregate) {
			continue
		}
		next, err := d.model.next(d.aggregates[e.Aggregate], d.log, c.N, e)
		if err != nil {
			return err
		}
		d.aggregates[e.Aggregate] = next
	}
	return nil
}

func (d *documents[S]) Len() int       { return len(d.aggregates) }
func (d *documents[S]) Keys() []string { return slices.Sorted(maps.Keys(d.aggregates)) }

func (d *documents[S]) StoredKey(key string) string {
	return layout.DocumentKey(layout.Versioned(d.log, d.model.Version), key)
}

func (d *documents[S]) Value(key string) ([]byte, uint64, error) {
	a := d.aggregates[key]
	value, err := a.encode(d.StoredKey(key))
	return value, a.commit, err
}
