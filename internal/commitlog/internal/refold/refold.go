// Package refold makes documents from a log again, from its first commit on. A rebuild stores the result; an audit
// compares it with the documents in the store and in memory.
//
// It knows neither aggregates nor projections: both give it their documents as Documents. When there are too many of
// them for memory, it folds the log several times, each time into another part of the documents.
package refold

import (
	"cmp"
	"context"
	"errors"
	"hash/fnv"
	"time"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// Documents are made by folding the commits of a log, in their order, without reading what the store has. C is the
// type of a commit.
type Documents[C any] interface {
	// Fold applies a commit to the documents whose keys are included.
	Fold(commit C, included func(key string) bool) error
	// Len is the number of documents so far.
	Len() int
	// Keys lists their keys, sorted.
	Keys() []string
	// Value is a document as it is stored after the commits so far, and the last of them that changed it.
	Value(key string) (value []byte, commit uint64, err error)
	// StoredKey is the document's key in the store.
	StoredKey(key string) string
}

// Source is a log and the documents that are made from it.
type Source[C any] struct {
	// Store holds the documents.
	Store sidecar.State
	// Read returns the log's commits from number from on, at most limit, and fewer only at the end of the log.
	Read func(ctx context.Context, from uint64, limit int) ([]C, error)
	// Events is the number of events in a commit.
	Events func(commit C) int
	// New begins to fold: it returns no documents yet.
	New    func() Documents[C]
	Limits Limits
}

// Limits of the work. Zero values are replaced by defaults.
type Limits struct {
	// MaxDocuments is how many documents are in memory at once; 100,000 if zero.
	MaxDocuments int
	// Pause is how long an audit waits before it compares a document that differs once more; 50 ms if zero.
	Pause time.Duration
}

func (l Limits) maxDocuments() int    { return cmp.Or(l.MaxDocuments, 100_000) }
func (l Limits) pause() time.Duration { return cmp.Or(l.Pause, 50*time.Millisecond) }

// part is one of several parts of about equal size that all documents are divided into.
type part struct{ index, of uint32 }

func (p part) includes(key string) bool {
	h := fnv.New32a()
	h.Write([]byte(key))
	return h.Sum32()%p.of == p.index
}

// errTooMany means that a part has more documents than may be in memory.
var errTooMany = errors.New("commitlog: too many documents at once")

// inParts calls work for one part of the documents after the other. When a part turns out to be too large, it begins
// again with parts of half the size, of which the first has index 0.
func inParts(work func(part) error) error {
	for of := uint32(1); ; of *= 2 {
		var err error
		for i := uint32(0); i < of && err == nil; i++ {
			err = work(part{i, of})
		}
		if !errors.Is(err, errTooMany) {
			return err
		}
	}
}

// end is where a fold ended.
type end[C any] struct {
	commit C      // the last one that was folded
	n      uint64 // its number, 0 if the log is empty
	events uint64 // how many events were folded
}

// foldUpTo folds the log up to commit number to, or to its end, into one part of the documents.
func (s Source[C]) foldUpTo(ctx context.Context, to uint64, p part, docs Documents[C]) (end[C], error) {
	var last end[C]
	err := s.each(ctx, 1, to, func(n uint64, commit C) error {
		last = end[C]{commit, n, last.events + uint64(s.Events(commit))}
		if err := docs.Fold(commit, p.includes); err != nil {
			return err
		}
		if docs.Len() > s.Limits.maxDocuments() {
			return errTooMany
		}
		return nil
	})
	return last, err
}

// each calls fn with the commits from one number to another, or to the end of the log.
func (s Source[C]) each(ctx context.Context, from, to uint64, fn func(n uint64, commit C) error) error {
	for n := from; n <= to; {
		commits, err := s.Read(ctx, n, int(min(to-n+1, layout.ReadAhead)))
		if err != nil {
			return err
		}
		for i, commit := range commits {
			if err := fn(n+uint64(i), commit); err != nil {
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
