package commitlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/internal/refold"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

// sums is a projection of ledgers: a document for each, and one for all that were touched in a commit.
func sums() projection.Model {
	return projection.Model{
		Keys: func(e commitlog.Event) []string { return []string{"of/" + e.Aggregate, fmt.Sprint("seq/", e.Seq%3)} },
		Apply: func(_ string, doc json.RawMessage, e commitlog.Event) (json.RawMessage, error) {
			var d struct{ Sum int64 }
			var added struct{ N int64 }
			if len(doc) > 0 {
				if err := json.Unmarshal(doc, &d); err != nil {
					return nil, err
				}
			}
			if err := e.Decode(&added); err != nil {
				return nil, err
			}
			d.Sum += added.N
			return json.Marshal(d)
		},
	}
}

// archive is a log of ledgers with its documents and its projection, written by processes that crash.
type archive struct {
	t     *rapid.T
	ctx   context.Context
	store *memory.State
	cable *cable
	log   *commitlog.Partition[ledger]
	sums  *projection.Projection
	stop  func()
	dead  sync.WaitGroup // what crashed processes still try
	n     int
}

const ledgers = 5

func openArchive(t *rapid.T) *archive {
	a := &archive{t: t, ctx: context.Background(), store: memory.NewState()}
	a.start()
	return a
}

func (a *archive) start() {
	var err error
	a.cable = &cable{State: a.store}
	a.log, err = commitlog.Open(a.ctx, a.cable, "test", "p", ledgerModel(), commitlog.Options{CheckpointEvery: time.Millisecond, Warm: 2})
	require.NoError(a.t, err)
	log, view := a.log, projection.New(a.log, "sums", sums())
	a.sums = view
	work, cancel := context.WithCancel(a.ctx)
	var running sync.WaitGroup
	running.Go(func() { view.Run(work) })
	a.stop = func() { cancel(); running.Wait(); log.Close(a.ctx) }
}

// crash drops the process: nothing that it does afterwards reaches the store.
func (a *archive) crash() {
	a.cable.cut.Store(true)
	a.dead.Go(a.stop)
	a.start()
}

func (a *archive) add(id string) {
	a.n++
	key := fmt.Sprint(a.n)
	_, err := a.log.Do(a.ctx, []string{id}, func(tx *commitlog.Tx[ledger]) error {
		for i := range a.n%3 + 1 {
			tx.Emit(id, "added", map[string]any{"K": fmt.Sprint(key, ".", i), "N": 1})
		}
		return nil
	})
	require.NoError(a.t, err)
}

// audits are of the documents and of the projection, holding few documents at a time.
func (a *archive) audits() []contract.Audit {
	limits := refold.Limits{MaxDocuments: rapid.SampledFrom([]int{2, 3, 1000}).Draw(a.t, "max documents"), Pause: time.Millisecond}
	docs, err := a.log.AuditWith(a.ctx, limits)
	require.NoError(a.t, err)
	view, err := a.sums.AuditWith(a.ctx, limits)
	require.NoError(a.t, err)
	return []contract.Audit{docs, view}
}

// documents are all in the store, by key.
func (a *archive) documents() map[string]string {
	var keys []string
	for i := range ledgers {
		keys = append(keys, fmt.Sprint("doc/p/a", i), fmt.Sprint("view/p/sums/of/a", i), fmt.Sprint("view/p/sums/seq/", i))
	}
	items, err := a.store.GetMany(a.ctx, keys)
	require.NoError(a.t, err)
	docs := map[string]string{}
	for key, item := range items {
		docs[key] = string(item.Value)
	}
	return docs
}

// damage loses or spoils some documents and gives their keys.
func (a *archive) damage(docs map[string]string) (damaged []string) {
	keys := slices.Sorted(func(yield func(string) bool) {
		for key := range docs {
			if !yield(key) {
				return
			}
		}
	})
	for _, key := range keys {
		switch rapid.SampledFrom([]string{"", "", "lost", "spoilt", "torn", "old"}).Draw(a.t, key) {
		case "":
			continue
		case "lost":
			require.NoError(a.t, a.store.Delete(a.ctx, key, ""))
		case "spoilt":
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(strings.Replace(docs[key], `"v":{`, `"v":{"x":1,`, 1)), ""))
		case "torn":
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(docs[key][:len(docs[key])/2]), ""))
		case "old":
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(`{"n":0,"s":0,"v":{}}`), ""))
		}
		damaged = append(damaged, key)
	}
	return damaged
}

// Whatever happened to the processes that wrote it: what is stored is what the log makes. Whatever happens to
// the documents: an audit names each that differs and no other, and a rebuild makes them as they were, to the byte.
func TestAuditFindsWhatDiffersAndRebuildMakesItGood(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := openArchive(t)
		defer a.dead.Wait()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
				a.crash()
			}
			a.add(fmt.Sprint("a", rapid.IntRange(0, ledgers-1).Draw(t, "ledger")))
		}
		sound := a.audits()
		for _, audit := range sound {
			require.Empty(t, audit.Differences)
			require.Equal(t, a.log.Head(), audit.Commit)
			require.Equal(t, a.log.Published(), audit.Events)
		}
		a.stop()
		docs := a.documents()
		damaged := a.damage(docs)

		a.start()
		var found []string
		for _, audit := range a.audits() {
			for _, d := range audit.Differences {
				found = append(found, d.Key)
			}
			require.Equal(t, uint64(len(audit.Differences)), audit.Wrong)
		}
		slices.Sort(found)
		require.Equal(t, damaged, found)
		a.cable.cut.Store(true) // a spoilt process writes no more
		a.dead.Go(a.stop)

		require.NoError(t, commitlog.Rebuild(a.ctx, a.store, "p", ledgerModel()))
		log, err := commitlog.Open(a.ctx, a.store, "test", "p", ledgerModel(), commitlog.Options{})
		require.NoError(t, err)
		require.NoError(t, projection.New(log, "sums", sums()).Rebuild(a.ctx))
		require.NoError(t, log.Close(a.ctx))
		require.Equal(t, docs, a.documents())
		a.start()
		require.Equal(t, sound, a.audits(), "digests are the log's, in however many shares it is folded")
		a.add("a0")
		for i, audit := range a.audits() {
			require.NotEqual(t, sound[i].Digest, audit.Digest)
		}
		a.stop()
	})
}

// An audit never reports a document that moves on while it looks.
func TestAuditOfALogInUse(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	open := func() *commitlog.Partition[ledger] {
		p, err := commitlog.Open(t.Context(), store, "test", "p", ledgerModel(), commitlog.Options{CheckpointEvery: time.Millisecond, SyncEvery: time.Millisecond})
		require.NoError(t, err)
		return p
	}
	p, other := open(), open()
	view := projection.New(p, "sums", sums())
	work, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { view.Run(work) })
	for _, log := range []*commitlog.Partition[ledger]{p, other} {
		running.Go(func() {
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for i := 0; work.Err() == nil; i++ {
				<-pace.C // about as fast as a real store
				id := fmt.Sprint("a", i%7)
				_, err := log.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[ledger]) error {
					tx.Emit(id, "added", map[string]any{"K": fmt.Sprint(i % 20), "N": 1})
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for p.Head() < 400 {
		for _, audit := range []func(context.Context) (contract.Audit, error){p.Audit, other.Audit, view.Audit} {
			report, err := audit(t.Context())
			require.NoError(t, err)
			require.Empty(t, report.Differences)
		}
	}
	stop()
	running.Wait()
	require.NoError(t, p.Close(t.Context()))
	require.NoError(t, other.Close(t.Context()))
}

// The aggregates of a process are compared too: here one was read from a document that somebody has spoilt.
func TestAuditLooksIntoMemory(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	for _, resident := range []bool{false, true} {
		name := fmt.Sprint("p", resident)
		o := commitlog.Options{Resident: resident}
		p, err := commitlog.Open(t.Context(), store, "test", name, ledgerModel(), o)
		require.NoError(t, err)
		_, err = p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit("a", "added", map[string]any{"K": "k", "N": 1})
			return nil
		})
		require.NoError(t, err)
		report, err := p.Audit(t.Context())
		require.NoError(t, err)
		require.Equal(t, contract.Audit{Log: name, Commit: 1, Events: 1, Documents: 1, Digest: report.Digest, Differences: []contract.Difference{}}, report)
		require.NoError(t, p.Close(t.Context()))
		if resident {
			continue
		}
		key := "doc/" + name + "/a"
		item, err := store.Get(t.Context(), key)
		require.NoError(t, err)
		require.NoError(t, store.Put(t.Context(), key, []byte(strings.Replace(string(item.Value), `"N":1`, `"N":2`, 1)), ""))
		p, err = commitlog.Open(t.Context(), store, "test", name, ledgerModel(), o)
		require.NoError(t, err)
		_, _, err = p.Get(t.Context(), "a")
		require.NoError(t, err)
		report, err = p.Audit(t.Context())
		require.NoError(t, err)
		require.Equal(t, []contract.Difference{{Key: key, Kind: "memory"}, {Key: key, Kind: "different"}}, report.Differences)
		require.NoError(t, p.Close(t.Context()))
	}
}
