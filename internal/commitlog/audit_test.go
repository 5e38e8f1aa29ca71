package commitlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// sums is a projection of the sums of ledgers: one document for each ledger, and three by the numbers of events.
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

// auditedLog is a log of ledgers with its documents and a projection, written by processes that crash.
type auditedLog struct {
	t     *rapid.T
	ctx   context.Context
	store *memory.State
	own   *killable // the store as the present process sees it
	log   *commitlog.Partition[ledger]
	sums  *projection.Projection
	stop  func()
	ended sync.WaitGroup // goroutines of crashed processes
	n     int            // commands so far
}

const ledgers = 5

func openAuditedLog(t *rapid.T) *auditedLog {
	a := &auditedLog{t: t, ctx: context.Background(), store: memory.NewState()}
	a.start()
	return a
}

func (a *auditedLog) start() {
	var err error
	a.own = &killable{State: a.store}
	o := commitlog.Options{CheckpointEvery: time.Millisecond, Warm: 2}
	a.log, err = commitlog.Open(a.ctx, a.own, "test", "p", ledgerModel(), o)
	require.NoError(a.t, err)
	log, view := a.log, projection.New(a.log, "sums", sums())
	a.sums = view
	work, cancel := context.WithCancel(a.ctx)
	var running sync.WaitGroup
	running.Go(func() { view.Run(work) })
	a.stop = func() {
		cancel()
		running.Wait()
		log.Close(a.ctx)
	}
}

// crash kills the process and starts another one.
func (a *auditedLog) crash() {
	a.own.killed.Store(true)
	a.ended.Go(a.stop)
	a.start()
}

func (a *auditedLog) add(id string) {
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

// audit audits the documents and the projection, with few documents in memory at once.
func (a *auditedLog) audit() []contract.Audit {
	maxDocuments := rapid.SampledFrom([]int{2, 3, 1000}).Draw(a.t, "max documents")
	limits := refold.Limits{MaxDocuments: maxDocuments, Pause: time.Millisecond}
	docs, err := a.log.AuditWith(a.ctx, limits)
	require.NoError(a.t, err)
	view, err := a.sums.AuditWith(a.ctx, limits)
	require.NoError(a.t, err)
	return []contract.Audit{docs, view}
}

// documents returns all documents in the store, by key.
func (a *auditedLog) documents() map[string]string {
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

// damage deletes or changes some documents and returns their keys.
func (a *auditedLog) damage(docs map[string]string) (damaged []string) {
	for _, key := range slices.Sorted(maps.Keys(docs)) {
		switch rapid.SampledFrom([]string{"", "", "deleted", "changed", "truncated", "old"}).Draw(a.t, key) {
		case "":
			continue
		case "deleted":
			require.NoError(a.t, a.store.Delete(a.ctx, key, ""))
		case "changed":
			changed := strings.Replace(docs[key], `"v":{`, `"v":{"x":1,`, 1)
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(changed), ""))
		case "truncated":
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(docs[key][:len(docs[key])/2]), ""))
		case "old":
			require.NoError(a.t, a.store.Put(a.ctx, key, []byte(`{"n":0,"s":0,"v":{}}`), ""))
		}
		damaged = append(damaged, key)
	}
	return damaged
}

// However often processes crash, the documents in the store are those that the log makes. After documents are damaged,
// an audit names each of them and no other, and a rebuild restores them byte for byte.
func TestAuditFindsDamagedDocumentsAndRebuildRestoresThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := openAuditedLog(t)
		defer a.ended.Wait()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
				a.crash()
			}
			a.add(fmt.Sprint("a", rapid.IntRange(0, ledgers-1).Draw(t, "ledger")))
		}
		sound := a.audit()
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
		for _, audit := range a.audit() {
			for _, d := range audit.Differences {
				found = append(found, d.Key)
			}
			require.Equal(t, uint64(len(audit.Differences)), audit.Wrong)
		}
		slices.Sort(found)
		require.Equal(t, damaged, found)
		a.own.killed.Store(true) // this process has read damaged documents and may not write them again
		a.ended.Go(a.stop)

		require.NoError(t, commitlog.Rebuild(a.ctx, a.store, "p", ledgerModel()))
		log, err := commitlog.Open(a.ctx, a.store, "test", "p", ledgerModel(), commitlog.Options{})
		require.NoError(t, err)
		require.NoError(t, projection.New(log, "sums", sums()).Rebuild(a.ctx))
		require.NoError(t, log.Close(a.ctx))
		require.Equal(t, docs, a.documents())
		a.start()
		require.Equal(t, sound, a.audit(), "the digest does not depend on the number of documents in memory")
		a.add("a0")
		for i, audit := range a.audit() {
			require.NotEqual(t, sound[i].Digest, audit.Digest)
		}
		a.stop()
	})
}

func TestAuditOfALogInUseReportsNothing(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	open := func() *commitlog.Partition[ledger] {
		o := commitlog.Options{CheckpointEvery: time.Millisecond, SyncEvery: time.Millisecond}
		p, err := commitlog.Open(t.Context(), store, "test", "p", ledgerModel(), o)
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

// An audit also compares the aggregates in memory, one of which is read here from a damaged document.
func TestAuditComparesAggregatesInMemory(t *testing.T) {
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
		want := contract.Audit{
			Log: name, Commit: 1, Events: 1, Documents: 1, Digest: report.Digest, Differences: []contract.Difference{},
		}
		require.Equal(t, want, report)
		require.NoError(t, p.Close(t.Context()))
		if resident {
			continue
		}
		key := "doc/" + name + "/a"
		item, err := store.Get(t.Context(), key)
		require.NoError(t, err)
		damaged := strings.Replace(string(item.Value), `"N":1`, `"N":2`, 1)
		require.NoError(t, store.Put(t.Context(), key, []byte(damaged), ""))
		p, err = commitlog.Open(t.Context(), store, "test", name, ledgerModel(), o)
		require.NoError(t, err)
		_, _, err = p.Get(t.Context(), "a")
		require.NoError(t, err)
		report, err = p.Audit(t.Context())
		require.NoError(t, err)
		differences := []contract.Difference{{Key: key, Kind: "memory"}, {Key: key, Kind: "different"}}
		require.Equal(t, differences, report.Differences)
		require.NoError(t, p.Close(t.Context()))
	}
}
