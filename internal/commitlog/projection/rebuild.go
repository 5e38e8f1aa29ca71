package projection

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/commitlog/internal/refold"
	"haberdash/internal/contract"
)

// Open makes the documents of a new version of the projection from the log, once. It is called before Run, so that no
// reader sees half of them. Other replicas may write the same documents meanwhile.
func (p *Projection) Open(ctx context.Context) error {
	if p.model.Version <= 1 {
		return nil
	}
	commit, err := p.log.Cursor(ctx, p.follower())
	if err != nil || commit > 0 {
		return err
	}
	rebuilt, err := p.source(refold.Limits{}).Rebuild(ctx, refold.KeepNewer)
	if err != nil || rebuilt.N == 0 {
		return err
	}
	// If this replaces the higher cursor of another replica, commits are applied again, which changes nothing.
	return p.storeCursor(ctx, rebuilt.N)
}

// Rebuild makes all documents of the projection from the log again and replaces those in the store. No process may run
// the projection meanwhile.
func (p *Projection) Rebuild(ctx context.Context) error {
	if err := p.log.Store().Delete(ctx, layout.CursorKey(p.log.Name(), p.follower()), ""); err != nil {
		return fmt.Errorf("rebuild projection %s: %w", p.name, err)
	}
	rebuilt, err := p.source(refold.Limits{}).Rebuild(ctx, refold.Overwrite)
	if err != nil {
		return fmt.Errorf("rebuild projection %s: %w", p.name, err)
	}
	return p.storeCursor(ctx, rebuilt.N)
}

func (p *Projection) storeCursor(ctx context.Context, commit uint64) error {
	return layout.StoreCursor(ctx, p.log.Store(), p.log.Name(), p.follower(), commit)
}

// auditTimeout is how long an audit waits until the projection has applied the log.
const auditTimeout = 10 * time.Second

// Audit compares the documents with the log, as commitlog.Partition.Audit does. The projection must be running.
func (p *Projection) Audit(ctx context.Context) (contract.Audit, error) {
	return p.AuditWith(ctx, refold.Limits{})
}

// AuditWith is Audit with limits other than the defaults, for tests.
func (p *Projection) AuditWith(ctx context.Context, limits refold.Limits) (contract.Audit, error) {
	head := p.log.Head()
	waiting, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	if err := p.Wait(waiting, head); err != nil {
		return contract.Audit{}, err
	}
	report := contract.Audit{Log: p.log.Name(), Projection: p.name}
	return p.source(limits).Audit(ctx, report, refold.Subject{Commit: head, Stored: true})
}

func (p *Projection) source(limits refold.Limits) refold.Source[commitlog.Commit] {
	return refold.Source[commitlog.Commit]{
		Store: p.log.Store(), Read: p.log.Read, Limits: limits,
		Events: func(c commitlog.Commit) int { return len(c.Events) },
		New:    func() refold.Documents[commitlog.Commit] { return &documents{p, map[string]*document{}} },
	}
}

// documents are the documents of a projection, made from nothing but the log. They implement refold.Documents.
type documents struct {
	projection *Projection
	byKey      map[string]*document
}

func (d *documents) Fold(c commitlog.Commit, included func(string) bool) error {
	for i, e := range c.Events {
		for _, key := range d.projection.model.Keys(e) {
			if !included(key) {
				continue
			}
			doc := d.byKey[key]
			if doc == nil {
				doc = &document{}
				d.byKey[key] = doc
			}
			if err := d.projection.applyEvent(doc, key, c.N, i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *documents) Len() int                    { return len(d.byKey) }
func (d *documents) Keys() []string              { return sortedKeys(d.byKey) }
func (d *documents) StoredKey(key string) string { return d.projection.documentKey(key) }

func (d *documents) Value(key string) ([]byte, uint64, error) {
	value, err := json.Marshal(d.byKey[key])
	return value, d.byKey[key].Commit, err
}
