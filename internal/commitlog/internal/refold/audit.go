package refold

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

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Subject is what an audit compares with the log.
type Subject struct {
	// Commit is a commit up to which everything that is compared includes the log. Documents may include more.
	Commit uint64
	// Stored is true if there are documents in the store.
	Stored bool
	// InMemory returns a document as it was in memory at Commit, or nil if it was not there. It may be nil.
	InMemory func(key string) ([]byte, error)
}

// Audit compares, byte for byte, the documents that the log makes with those of the subject, and adds to the report
// what it finds.
//
// Other processes may write documents meanwhile. A document that includes more of the log than Commit is compared at
// the commit that it includes. A document that differs is read three times before it is reported, because it may be
// about to be written.
func (s Source[C]) Audit(ctx context.Context, report contract.Audit, subject Subject) (contract.Audit, error) {
	report.Commit, report.Differences = subject.Commit, []contract.Difference{}
	a := &audit[C]{Source: s, Subject: subject}
	err := inParts(func(p part) error {
		if p.index == 0 {
			a.report, a.digest = report, [sha256.Size]byte{}
		}
		return a.comparePart(ctx, p)
	})
	a.report.Digest = hex.EncodeToString(a.digest[:])
	return a.report, err
}

type audit[C any] struct {
	Source[C]
	Subject
	report contract.Audit
	digest [sha256.Size]byte
}

// readings is how often a document that differs is read before it is reported.
const readings = 3

// newerDocument is a stored document that includes more of the log than the audited commit.
type newerDocument struct {
	key   string
	value []byte
}

func (a *audit[C]) comparePart(ctx context.Context, p part) error {
	docs := a.New()
	folded, err := a.foldUpTo(ctx, a.Commit, p, docs)
	if err != nil {
		return err
	}
	a.report.Events = folded.events
	a.report.Documents += uint64(docs.Len())
	if err := a.addToDigest(docs); err != nil {
		return err
	}
	if err := a.compareMemory(docs); err != nil || !a.Stored {
		return err
	}
	newer := map[uint64][]newerDocument{} // by the commit that they include
	for reading, keys := 1, docs.Keys(); len(keys) > 0 && reading <= readings; reading++ {
		if reading > 1 {
			time.Sleep(a.Limits.pause())
		}
		var differing []string
		for batch := range slices.Chunk(keys, layout.ReadAhead) {
			found, err := a.compareStored(ctx, docs, batch, newer, reading == readings)
			if err != nil {
				return err
			}
			differing = append(differing, found...)
		}
		keys = differing
	}
	return a.compareNewer(ctx, p, docs, newer)
}

// addToDigest adds the documents that the log makes to the digest of all of them. The digest does not depend on the
// parts, nor on the order: the hash of each key and value is added bit by bit.
func (a *audit[C]) addToDigest(docs Documents[C]) error {
	for _, key := range docs.Keys() {
		value, _, err := docs.Value(key)
		if err != nil {
			return err
		}
		h := sha256.New()
		fmt.Fprintf(h, "%d %s ", len(docs.StoredKey(key)), docs.StoredKey(key))
		h.Write(value)
		for i, b := range h.Sum(nil) {
			a.digest[i] ^= b
		}
	}
	return nil
}

func (a *audit[C]) compareMemory(docs Documents[C]) error {
	if a.InMemory == nil {
		return nil
	}
	for _, key := range docs.Keys() {
		inMemory, err := a.InMemory(key)
		if err != nil {
			return err
		}
		want, _, err := docs.Value(key)
		if err != nil {
			return err
		}
		if inMemory != nil && !bytes.Equal(inMemory, want) {
			a.reportDifference(docs.StoredKey(key), "memory")
		}
	}
	return nil
}

// compareStored compares documents with those in the store and returns the keys of those that differ. The last reading
// reports them. Documents that include more of the log than the audited commit are added to newer.
func (a *audit[C]) compareStored(ctx context.Context, docs Documents[C], keys []string,
	newer map[uint64][]newerDocument, lastReading bool) (differing []string, err error) {
	storedKeys := make([]string, len(keys))
	for i, key := range keys {
		storedKeys[i] = docs.StoredKey(key)
	}
	items, err := a.Store.GetMany(ctx, storedKeys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		want, commit, err := docs.Value(key)
		if err != nil {
			return nil, err
		}
		item := items[storedKeys[i]]
		kind, includes := difference(item, want, commit)
		if includes > a.Commit {
			newer[includes] = append(newer[includes], newerDocument{key, item.Value})
			continue
		}
		if kind == "" {
			continue
		}
		differing = append(differing, key)
		if lastReading {
			a.reportDifference(storedKeys[i], kind)
		}
	}
	return differing, nil
}

// difference says how a stored document differs from the one that the log makes, which is empty if it does not, and
// the commit up to which the stored document includes the log.
func difference(item sidecar.Item, want []byte, commit uint64) (kind string, includes uint64) {
	var mark struct {
		Commit uint64 `json:"n"` // both kinds of documents have it
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

// compareNewer folds the log further, up to the commits that newer documents include, and compares them there.
func (a *audit[C]) compareNewer(ctx context.Context, p part, docs Documents[C],
	newer map[uint64][]newerDocument) error {
	if len(newer) == 0 {
		return nil
	}
	err := a.each(ctx, a.Commit+1, slices.Max(slices.Collect(maps.Keys(newer))), func(n uint64, commit C) error {
		if err := docs.Fold(commit, p.includes); err != nil {
			return err
		}
		for _, d := range newer[n] {
			want, _, err := docs.Value(d.key)
			if err != nil {
				return err
			}
			if !bytes.Equal(d.value, want) {
				a.reportDifference(docs.StoredKey(d.key), "different")
			}
		}
		delete(newer, n)
		return nil
	})
	if err != nil {
		return err
	}
	for _, documents := range newer { // they include more than the log has
		for _, d := range documents {
			a.reportDifference(docs.StoredKey(d.key), "ahead")
		}
	}
	return nil
}

// maxDifferences bounds the differences that a report names.
const maxDifferences = 100

func (a *audit[C]) reportDifference(key, kind string) {
	a.report.Wrong++
	if len(a.report.Differences) < maxDifferences {
		a.report.Differences = append(a.report.Differences, contract.Difference{Key: key, Kind: kind})
	}
}
