package commitlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// Three releases of one model. The first counts pieces. The second counts hundredths, in a member of another name. The
// third adds an optional reason.
type (
	pieces     struct{ N int }
	hundredths struct {
		N       int
		Reasons map[string]int
	}
)

func release1() commitlog.Model[pieces] {
	return commitlog.Model[pieces]{Apply: func(_ string, s pieces, e commitlog.Event) (pieces, error) {
		var d struct{ Add int }
		err := e.Decode(&d)
		return pieces{s.N + d.Add}, err
	}}
}

func toHundredths(data json.RawMessage) (json.RawMessage, error) {
	var old struct{ Add int }
	if err := json.Unmarshal(data, &old); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]int{"Hundredths": 100 * old.Add})
}

// laterRelease is the model of the second release or of the third, whose version is 2 or 3.
func laterRelease(version int) commitlog.Model[hundredths] {
	return commitlog.Model[hundredths]{
		Version:   version,
		Upcasters: commitlog.Upcasters{"added": {toHundredths}},
		Apply: func(_ string, s hundredths, e commitlog.Event) (hundredths, error) {
			var d struct {
				Hundredths int
				Reason     string
			}
			if err := e.Decode(&d); err != nil {
				return s, err
			}
			next := hundredths{N: s.N + d.Hundredths}
			if version == 3 {
				next.Reasons = map[string]int{}
				for k, v := range s.Reasons {
					next.Reasons[k] = v
				}
				next.Reasons[d.Reason] += d.Hundredths
			}
			return next, nil
		},
	}
}

func emit[S any](t require.TestingT, p *commitlog.Partition[S], id string, data any) {
	_, err := p.Do(context.Background(), []string{id}, func(tx *commitlog.Tx[S]) error {
		tx.Emit(id, "added", data)
		return nil
	})
	require.NoError(t, err)
}

func openRelease[S any](t require.TestingT, store *memory.State, m commitlog.Model[S]) *commitlog.Partition[S] {
	p, err := commitlog.Open(context.Background(), store, "test", "p", m,
		commitlog.Options{CheckpointEvery: time.Millisecond, SyncEvery: time.Millisecond, Warm: 2})
	require.NoError(t, err)
	return p
}

func TestReadersConvertEventsOfOlderVersions(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	old := openRelease(t, store, release1())
	defer old.Close(context.Background())
	emit(t, old, "a", map[string]int{"Add": 3})
	require.NoError(t, old.Ready(t.Context()))
	p := openRelease(t, store, laterRelease(2))
	defer p.Close(context.Background())
	emit(t, p, "a", map[string]int{"Hundredths": 50})
	s, seq, err := p.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, hundredths{N: 350}, s)
	require.Equal(t, uint64(2), seq)

	restarted := openRelease(t, store, laterRelease(2)) // has nothing in memory
	defer restarted.Close(context.Background())
	page, err := restarted.Feed(t.Context(), 1, 10)
	require.NoError(t, err)
	require.JSONEq(t, `{"Hundredths":300}`, string(page.Events[0].Data), "consumers see only the latest shape")
	require.JSONEq(t, `{"Hundredths":50}`, string(page.Events[1].Data))
	history, err := restarted.History(t.Context(), "a", 0, 10)
	require.NoError(t, err)
	require.JSONEq(t, `{"Hundredths":300}`, string(history[1].Data))
	report, err := restarted.Audit(t.Context())
	require.NoError(t, err)
	require.Zero(t, report.Wrong, report.Differences)

	// The release before does not write after events that it does not understand.
	_, err = old.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[pieces]) error {
		tx.Emit("a", "added", map[string]int{"Add": 1})
		return nil
	})
	require.ErrorIs(t, err, commitlog.ErrNewer)
	require.NotErrorIs(t, err, commitlog.ErrUnknown, "nothing was committed")
	require.ErrorIs(t, old.Ready(t.Context()), commitlog.ErrNewer)
	_, err = commitlog.Open(t.Context(), store, "test", "p", release1(), commitlog.Options{})
	require.ErrorIs(t, err, commitlog.ErrNewer)
}

func TestFailingUpcasterMakesTheLogUnreadable(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	old := openRelease(t, store, release1())
	defer old.Close(context.Background())
	emit(t, old, "a", map[string]any{"Add": 3, "more": true})
	m := laterRelease(2)
	fail := func(json.RawMessage) (json.RawMessage, error) { return nil, errors.New("no hundredths") }
	m.Upcasters["added"] = append(m.Upcasters["added"], fail)
	_, err := commitlog.Open(t.Context(), store, "test", "p", m, commitlog.Options{})
	require.ErrorIs(t, err, commitlog.ErrCorrupt)
	require.ErrorContains(t, err, "from version 2: no hundredths")
}

// reasons is a projection of the hundredths by reason. Its first version ignores the reasons.
func reasons(version int) projection.Model {
	return projection.Model{
		Version: version,
		Keys:    func(e commitlog.Event) []string { return []string{"of/" + e.Aggregate} },
		Apply: func(_ string, doc json.RawMessage, e commitlog.Event) (json.RawMessage, error) {
			sum := map[string]int{}
			if len(doc) > 0 {
				if err := json.Unmarshal(doc, &sum); err != nil {
					return nil, err
				}
			}
			var d struct {
				Hundredths int
				Reason     string
			}
			if err := e.Decode(&d); err != nil {
				return nil, err
			}
			if version < 2 {
				d.Reason = ""
			}
			sum[d.Reason] += d.Hundredths
			return json.Marshal(sum)
		},
	}
}

// During a rollout, and perhaps a rollback, replicas of two releases write one log and start, end and evict aggregates
// meanwhile. Each has the documents that its own model makes of all events.
func TestTwoReleasesWriteOneLogAndKeepTheirOwnDocuments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		store := memory.NewState()
		want := struct {
			sync.Mutex
			n       map[string]int
			reasons map[string]map[string]int
		}{n: map[string]int{}, reasons: map[string]map[string]int{}}
		var views sync.WaitGroup
		for range rapid.IntRange(1, 3).Draw(t, "phases") {
			var work sync.WaitGroup
			for replica, version := range rapid.SliceOfN(rapid.SampledFrom([]int{2, 3}), 1, 4).Draw(t, "replicas") {
				work.Go(func() {
					p := openRelease(t, store, laterRelease(version))
					defer p.Close(ctx)
					view := projection.New(p, "reasons", reasons(version-1))
					require.NoError(t, view.Open(ctx))
					views.Go(func() { view.Run(ctx) })
					for i := range 15 {
						id, reason := fmt.Sprint("a", i%5), ""
						data := map[string]any{"Hundredths": i}
						if version == 3 {
							reason = fmt.Sprint("r", replica)
							data["Reason"] = reason
						}
						emit(t, p, id, data)
						want.Lock()
						want.n[id] += i
						if want.reasons[id] == nil {
							want.reasons[id] = map[string]int{}
						}
						want.reasons[id][reason] += i
						want.Unlock()
					}
				})
			}
			work.Wait()
		}
		for _, version := range []int{2, 3} {
			p := openRelease(t, store, laterRelease(version))
			view := projection.New(p, "reasons", reasons(version-1))
			require.NoError(t, view.Open(ctx))
			views.Go(func() { view.Run(ctx) })
			for id, n := range want.n {
				s, _, err := p.Get(ctx, id)
				require.NoError(t, err)
				require.Equal(t, n, s.N)
				if version == 3 {
					require.Equal(t, want.reasons[id], s.Reasons)
				}
			}
			for documents, audit := range map[string]func(context.Context) (contract.Audit, error){
				"aggregates": p.Audit, "projection": view.Audit,
			} {
				report, err := audit(ctx)
				require.NoError(t, err)
				require.Zero(t, report.Wrong, "%s of version %d: %v", documents, version, report.Differences)
			}
			require.NoError(t, p.Close(ctx))
		}
		cancel()
		views.Wait()
	})
}

func TestANewVersionHasAllDocumentsAfterOpen(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	before := openRelease(t, store, laterRelease(2))
	defer before.Close(context.Background())
	for i := range 300 {
		emit(t, before, fmt.Sprint("a", i%100), map[string]any{"Hundredths": 1, "Reason": "x"})
	}
	p := openRelease(t, store, laterRelease(3))
	defer p.Close(context.Background())
	view := projection.New(p, "reasons", reasons(2))
	require.NoError(t, view.Open(t.Context()))
	docs, err := view.Get(t.Context(), "of/a7", "of/a99") // it does not run yet
	require.NoError(t, err)
	three := json.RawMessage(`{"x":3}`)
	require.Equal(t, map[string]json.RawMessage{"of/a7": three, "of/a99": three}, docs)
	s, _, err := p.Get(t.Context(), "a7")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"x": 3}, s.Reasons)
}

// interruptedStore calls before in front of its first write of documents.
type interruptedStore struct {
	*memory.State
	once   sync.Once
	before func()
}

func (s *interruptedStore) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	s.once.Do(s.before)
	return s.State.PutManyIf(ctx, items)
}

func TestASlowReplicaDoesNotReplaceNewerDocuments(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	before := openRelease(t, store, laterRelease(2))
	defer before.Close(context.Background())
	for i := range 10 {
		emit(t, before, fmt.Sprint("a", i), map[string]any{"Hundredths": 1, "Reason": "x"})
	}
	slow := &interruptedStore{State: store, before: func() {
		quick := openRelease(t, store, laterRelease(3))
		emit(t, quick, "a3", map[string]any{"Hundredths": 2, "Reason": "y"})
		require.NoError(t, quick.Close(t.Context()))
	}}
	p, err := commitlog.Open(t.Context(), slow, "test", "p", laterRelease(3), commitlog.Options{})
	require.NoError(t, err)
	defer p.Close(context.Background())
	s, _, err := p.Get(t.Context(), "a3")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"x": 1, "y": 2}, s.Reasons)
}
