package commitlog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Audit folds the log from its first commit and compares the result, byte for byte, with the documents in the
// store and with the aggregates in memory. Work goes on meanwhile: a document that includes more of the log than
// was folded is compared at the commit that it has come to. Documents of aggregates that the log does not know
// are not found: a store cannot be asked for its keys.
func (p *Partition[S]) Audit(ctx context.Context) (contract.Audit, error) {
	return p.audit(ctx, held, auditPause)
}

func (p *Partition[S]) audit(ctx context.Context, hold int, pause time.Duration) (contract.Audit, error) {
	p.mu.RLock()
	head, warm := p.head, maps.Clone(p.warm)
	p.mu.RUnlock()
	if !p.opts.Resident {
		if err := p.checkpointNow(ctx); err != nil {
			return contract.Audit{}, err
		}
	}
	a := auditing{
		store: p.store, log: p.name, commit: head, hold: hold, pause: pause, stored: !p.opts.Resident, up: p.model.Upcasters,
		begin: func() refold { return newAggregateFold(p.name, p.model) },
		live: func(key string) ([]byte, error) {
			if w := warm[key]; w != nil && w.seq > 0 {
				return w.encode(key)
			}
			return nil, nil
		},
	}
	return a.run(ctx, contract.Audit{Log: p.name})
}

// auditWait is how long an audit waits for a projection to have come as far as its log.
const auditWait = 10 * time.Second

// Audit is Partition.Audit for the documents of a projection, which must be running.
func (v *Projection) Audit(ctx context.Context) (contract.Audit, error) {
	return v.audit(ctx, held, auditPause)
}

func (v *Projection) audit(ctx context.Context, hold int, pause time.Duration) (contract.Audit, error) {
	head := v.log.Head()
	waiting, cancel := context.WithTimeout(ctx, auditWait)
	defer cancel()
	if err := v.Wait(waiting, head); err != nil {
		return contract.Audit{}, err
	}
	a := auditing{
		store: v.store, log: v.log.Name(), commit: head, hold: hold, pause: pause, stored: true, up: v.log.upcasters(),
		begin: func() refold { return &viewFold{v, map[string]*viewDoc{}} },
	}
	return a.run(ctx, contract.Audit{Log: v.log.Name(), Projection: v.name})
}

// auditing compares documents with the log.
type auditing struct {
	store  sidecar.State
	log    string
	up     Upcasters
	commit uint64 // all that is compared includes the log up to here
	hold   int
	pause  time.Duration // between two looks
	begin  func() refold
	stored bool                             // there are documents in the store
	live   func(key string) ([]byte, error) // a document as it is in memory, at commit; nil if it is not
	report contract.Audit
	sum    [sha256.Size]byte
}

func (a *auditing) run(ctx context.Context, blank contract.Audit) (contract.Audit, error) {
	blank.Commit, blank.Differences = a.commit, []contract.Difference{}
	err := inShares(func(s share) error {
		if s.i == 0 {
			a.report, a.sum = blank, [sha256.Size]byte{}
		}
		return a.compare(ctx, s)
	})
	a.report.Digest = hex.EncodeToString(a.sum[:])
	return a.report, err
}

// digest adds the documents that the log makes to the sum of them. It is the same in whatever shares, and order, they
// come: each adds the hash of its key and value, bit by bit.
func (a *auditing) digest(r refold) error {
	for _, key := range r.keys() {
		value, _, err := r.value(key)
		if err != nil {
			return err
		}
		h := sha256.New()
		fmt.Fprintf(h, "%d %s ", len(r.storedKey(key)), r.storedKey(key))
		h.Write(value)
		for i, b := range h.Sum(nil) {
			a.sum[i] ^= b
		}
	}
	return nil
}

// later is a stored document that includes more of the log than was folded.
type later struct {
	key   string
	value []byte
}

// How often, and how long after, a document that differs is looked at again before it is reported.
const (
	auditLooks = 3
	auditPause = 50 * time.Millisecond
)

func (a *auditing) compare(ctx context.Context, s share) error {
	r := a.begin()
	_, events, err := refoldUpTo(ctx, a.store, a.log, a.up, a.commit, s, a.hold, r)
	if err != nil {
		return err
	}
	a.report.Events = events
	a.report.Documents += uint64(r.size())
	if err := a.digest(r); err != nil {
		return err
	}
	if err := a.compareLive(r); err != nil || !a.stored {
		return err
	}
	moved := map[uint64][]later{}
	for look, keys := 1, r.keys(); len(keys) > 0 && look <= auditLooks; look++ {
		if look > 1 {
			time.Sleep(a.pause)
		}
		var differ []string
		for some := range slices.Chunk(keys, readAhead) {
			wrong, err := a.compareStored(ctx, r, some, moved, look == auditLooks)
			if err != nil {
				return err
			}
			differ = append(differ, wrong...)
		}
		keys = differ
	}
	return a.follow(ctx, s, r, moved)
}

// compareLive compares what is in memory.
func (a *auditing) compareLive(r refold) error {
	if a.live == nil {
		return nil
	}
	for _, key := range r.keys() {
		live, err := a.live(key)
		if err != nil {
			return err
		}
		want, _, err := r.value(key)
		if err != nil {
			return err
		}
		if live != nil && !bytes.Equal(live, want) {
			a.differs(r.storedKey(key), "memory")
		}
	}
	return nil
}

// compareStored compares documents with the store's and gives those that differ; the last look reports them.
// Those that include more of the log than was folded are noted in moved.
func (a *auditing) compareStored(ctx context.Context, r refold, keys []string, moved map[uint64][]later, last bool) (differ []string, err error) {
	stored := make([]string, len(keys))
	for i, key := range keys {
		stored[i] = r.storedKey(key)
	}
	items, err := a.store.GetMany(ctx, stored)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		want, commit, err := r.value(key)
		if err != nil {
			return nil, err
		}
		kind, at := judge(items[stored[i]], want, commit)
		if at > a.commit {
			moved[at] = append(moved[at], later{key, items[stored[i]].Value})
			continue
		}
		if kind == "" {
			continue
		}
		differ = append(differ, key)
		if last {
			a.differs(stored[i], kind)
		}
	}
	return differ, nil
}

// judge tells how a stored document differs from the one that the log makes, and to which commit it has come.
func judge(item sidecar.Item, want []byte, commit uint64) (kind string, at uint64) {
	var mark struct {
		Commit uint64 `json:"n"` // of aggregates' documents and of views'
	}
	switch {
	case bytes.Equal(item.Value, want):
		return "", commit
	case !item.Found():
		return "missing", 0
	case json.Unmarshal(item.Value, &mark) != nil:
		return "unreadable", 0
	case mark.Commit < commit:
		return "behind", mark.Commit
	}
	return "different", mark.Commit
}

// follow folds the log on to where documents have come meanwhile, and compares them there.
func (a *auditing) follow(ctx context.Context, s share, r refold, moved map[uint64][]later) error {
	if len(moved) == 0 {
		return nil
	}
	err := stream(ctx, a.store, a.log, a.up, a.commit+1, slices.Max(slices.Collect(maps.Keys(moved))), func(c Commit) error {
		if err := r.fold(c, s.has); err != nil {
			return err
		}
		for _, l := range moved[c.N] {
			want, _, err := r.value(l.key)
			if err != nil {
				return err
			}
			if !bytes.Equal(l.value, want) {
				a.differs(r.storedKey(l.key), "different")
			}
		}
		delete(moved, c.N)
		return nil
	})
	if err != nil {
		return err
	}
	for _, rest := range moved {
		for _, l := range rest {
			a.differs(r.storedKey(l.key), "ahead")
		}
	}
	return nil
}

// maxDifferences bounds the differences that a report names.
const maxDifferences = 100

func (a *auditing) differs(key, kind string) {
	a.report.Wrong++
	if len(a.report.Differences) < maxDifferences {
		a.report.Differences = append(a.report.Differences, contract.Difference{Key: key, Kind: kind})
	}
}
