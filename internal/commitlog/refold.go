package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"haberdash/internal/sidecar"
)

// refold makes documents from nothing but the log, to compare or to replace those in the store.
type refold interface {
	// fold takes a commit into the documents that are mine.
	fold(c Commit, mine func(key string) bool) error
	size() int
	keys() []string
	// value is a document as it would be stored after the commits so far, and the last of them that it includes.
	value(key string) (value []byte, commit uint64, err error)
	storedKey(key string) string
}

// share is one of several equal parts of all documents: one at a time is held in memory.
type share struct{ i, of uint32 }

func (s share) has(key string) bool {
	h := fnv.New32a()
	h.Write([]byte(key))
	return h.Sum32()%s.of == s.i
}

// held is how many documents are held at once. errTooMany: it would be more; take smaller shares.
const held = 100_000

var errTooMany = errors.New("commitlog: too many documents at once")

// inShares does the work on all documents, in as many shares as it takes. It begins anew, with a share of which
// i is 0, when they were too large.
func inShares(work func(share) error) error {
	for of := uint32(1); ; of *= 2 {
		var err error
		for i := uint32(0); i < of && err == nil; i++ {
			err = work(share{i, of})
		}
		if !errors.Is(err, errTooMany) {
			return err
		}
	}
}

// refoldUpTo folds the log up to a commit, or to its end, into a share of the documents. It returns the last
// commit and the number of events.
func refoldUpTo(ctx context.Context, store sidecar.State, log string, up Upcasters, to uint64, s share, hold int, r refold) (last Commit, events uint64, err error) {
	err = stream(ctx, store, log, up, 1, to, func(c Commit) error {
		last, events = c, events+uint64(len(c.Events))
		if err := r.fold(c, s.has); err != nil {
			return err
		}
		if r.size() > hold {
			return errTooMany
		}
		return nil
	})
	return last, events, err
}

// stream hands out commits from one number on to another, or to the end of the log.
func stream(ctx context.Context, store sidecar.State, log string, up Upcasters, from, to uint64, fn func(Commit) error) error {
	for n := from; n <= to; {
		commits, err := readLog(ctx, store, log, up, n, int(min(to-n+1, readAhead)))
		if err != nil {
			return err
		}
		for _, c := range commits {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(commits) == 0 {
			return nil
		}
		n += uint64(len(commits))
	}
	return nil
}

// aggregateFold refolds a partition's documents.
type aggregateFold[S any] struct {
	log   string
	model Model[S]
	all   map[string]*aggregate[S]
}

func newAggregateFold[S any](log string, model Model[S]) *aggregateFold[S] {
	return &aggregateFold[S]{log: log, model: model, all: map[string]*aggregate[S]{}}
}

func (r *aggregateFold[S]) fold(c Commit, mine func(string) bool) error {
	for _, e := range c.Events {
		if !mine(e.Aggregate) {
			continue
		}
		a := r.all[e.Aggregate]
		if a == nil {
			a = &aggregate[S]{}
			r.all[e.Aggregate] = a
		}
		if e.Seq != a.seq+1 {
			return fmt.Errorf("%w: commit %d of %s: event %d of %s follows %d", ErrCorrupt, c.N, r.log, e.Seq, e.Aggregate, a.seq)
		}
		state, err := r.model.Apply(e.Aggregate, a.state, e)
		if err != nil {
			return fmt.Errorf("%w: commit %d of %s: apply %s: %w", ErrCorrupt, c.N, r.log, e.Type, err)
		}
		a.state, a.seq, a.commit = state, e.Seq, c.N
	}
	return nil
}

func (r *aggregateFold[S]) size() int      { return len(r.all) }
func (r *aggregateFold[S]) keys() []string { return sortedKeys(r.all) }
func (r *aggregateFold[S]) storedKey(key string) string {
	return docKey(versioned(r.log, r.model.Version), key)
}

func (r *aggregateFold[S]) value(key string) ([]byte, uint64, error) {
	value, err := r.all[key].encode(r.storedKey(key))
	return value, r.all[key].commit, err
}

// viewFold refolds a projection's documents.
type viewFold struct {
	v   *Projection
	all map[string]*viewDoc
}

func (r *viewFold) fold(c Commit, mine func(string) bool) (err error) {
	for i, e := range c.Events {
		for _, key := range r.v.model.Keys(e) {
			if !mine(key) {
				continue
			}
			d := r.all[key]
			if d == nil {
				d = &viewDoc{}
				r.all[key] = d
			}
			if d.Value, err = r.v.model.Apply(key, d.Value, e); err != nil {
				return fmt.Errorf("%w: document %s, commit %d: %w", ErrCorrupt, key, c.N, err)
			}
			d.Commit, d.Index = c.N, i
		}
	}
	return nil
}

func (r *viewFold) size() int                   { return len(r.all) }
func (r *viewFold) keys() []string              { return sortedKeys(r.all) }
func (r *viewFold) storedKey(key string) string { return r.v.docKey(key) }

func (r *viewFold) value(key string) ([]byte, uint64, error) {
	value, err := json.Marshal(r.all[key])
	return value, r.all[key].Commit, err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
