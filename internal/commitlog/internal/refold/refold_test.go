package refold_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog/internal/refold"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// change is a commit with one event, which changes the document of that key.
type change string

// documents have the position of their last event and the number of their events.
type documents struct {
	n     uint64
	byKey map[string]document
}

type document struct {
	Commit uint64 `json:"n"`
	Index  int    `json:"i"`
	Value  int    `json:"v"`
}

func (d *documents) Fold(c change, included func(string) bool) error {
	d.n++
	if key := string(c); included(key) {
		d.byKey[key] = document{Commit: d.n, Value: d.byKey[key].Value + 1}
	}
	return nil
}

func (d *documents) Len() int                    { return len(d.byKey) }
func (d *documents) Keys() []string              { return slices.Sorted(maps.Keys(d.byKey)) }
func (d *documents) StoredKey(key string) string { return "doc/" + key }

func (d *documents) Value(key string) ([]byte, uint64, error) {
	value, err := json.Marshal(d.byKey[key])
	return value, d.byKey[key].Commit, err
}

// newSource is a log of changes that go round ten documents.
func newSource(store sidecar.State, commits, maxDocuments int, folds *int) refold.Source[change] {
	return refold.Source[change]{
		Store: store,
		Read: func(_ context.Context, from uint64, limit int) (read []change, _ error) {
			for n := from; n <= uint64(commits) && len(read) < limit; n++ {
				read = append(read, change(fmt.Sprint(n%10)))
			}
			return read, nil
		},
		Events: func(change) int { return 1 },
		New: func() refold.Documents[change] {
			*folds++
			return &documents{byKey: map[string]document{}}
		},
		Limits: refold.Limits{MaxDocuments: maxDocuments, Pause: time.Millisecond},
	}
}

func TestRebuildInPartsMakesTheSameDocuments(t *testing.T) {
	t.Parallel()
	var want map[string]string
	for _, maxDocuments := range []int{100, 4, 1} {
		store, folds := memory.NewState(), 0
		source := newSource(store, 200, maxDocuments, &folds)
		rebuilt, err := source.Rebuild(t.Context(), refold.Overwrite)
		require.NoError(t, err)
		require.Equal(t, uint64(200), rebuilt.N)
		if want == nil {
			want = store.All()
			require.Equal(t, 1, folds)
		}
		require.Len(t, want, 10)
		require.Equal(t, want, store.All())
		if maxDocuments < 10 {
			require.Greater(t, folds, 10/maxDocuments, "folded in parts")
		}
		report, err := source.Audit(t.Context(), contract.Audit{Log: "p"}, refold.Subject{Commit: 200, Stored: true})
		require.NoError(t, err)
		require.Empty(t, report.Differences)
		require.Equal(t, uint64(200), report.Events)
		require.Equal(t, uint64(10), report.Documents)
	}
}

func TestRebuildOfAnEmptyLog(t *testing.T) {
	t.Parallel()
	store, folds := memory.NewState(), 0
	rebuilt, err := newSource(store, 0, 100, &folds).Rebuild(t.Context(), refold.Overwrite)
	require.NoError(t, err)
	require.Zero(t, rebuilt.N)
	require.Empty(t, store.All())
}

func TestKeepNewerReplacesOnlyOlderDocuments(t *testing.T) {
	t.Parallel()
	ctx, store := t.Context(), memory.NewState()
	require.NoError(t, store.Put(ctx, "older", []byte(`{"n":4,"i":2}`), ""))
	require.NoError(t, store.Put(ctx, "same", []byte(`{"n":5,"i":0,"v":"stored"}`), ""))
	require.NoError(t, store.Put(ctx, "newer", []byte(`{"n":5,"i":1}`), ""))
	require.NoError(t, store.Put(ctx, "damaged", []byte(`{`), ""))
	made := []byte(`{"n":5,"i":0}`)
	var items []sidecar.Item
	for _, key := range []string{"older", "same", "newer", "damaged", "missing"} {
		items = append(items, sidecar.Item{Key: key, Value: made})
	}
	require.NoError(t, refold.KeepNewer(ctx, store, items))
	require.Equal(t, map[string]string{
		"older": string(made), "damaged": string(made), "missing": string(made),
		"same": `{"n":5,"i":0,"v":"stored"}`, "newer": `{"n":5,"i":1}`,
	}, store.All())
}

// contended is a store in which another process replaces a document before each of the first writes.
type contended struct {
	*memory.State
	conflicts int
}

func (c *contended) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if c.conflicts > 0 {
		c.conflicts--
		if err := c.State.Put(ctx, items[0].Key, []byte(`{"n":1}`), ""); err != nil {
			return err
		}
	}
	return c.State.PutManyIf(ctx, items)
}

func TestKeepNewerTriesAgainAfterConflicts(t *testing.T) {
	t.Parallel()
	store := &contended{memory.NewState(), 3}
	require.NoError(t, refold.KeepNewer(t.Context(), store, []sidecar.Item{{Key: "a", Value: []byte(`{"n":2}`)}}))
	require.Equal(t, map[string]string{"a": `{"n":2}`}, store.All())
}

func TestAuditNamesTheKindOfEachDifference(t *testing.T) {
	t.Parallel()
	ctx, store, folds := t.Context(), memory.NewState(), 0
	source := newSource(store, 30, 100, &folds)
	_, err := source.Rebuild(ctx, refold.Overwrite)
	require.NoError(t, err)
	require.NoError(t, store.Delete(ctx, "doc/1", ""))
	require.NoError(t, store.Put(ctx, "doc/2", []byte(`{`), ""))
	require.NoError(t, store.Put(ctx, "doc/3", []byte(`{"n":13,"i":0,"v":2}`), ""))
	require.NoError(t, store.Put(ctx, "doc/4", []byte(`{"n":24,"i":0,"v":9}`), ""))
	require.NoError(t, store.Put(ctx, "doc/5", []byte(`{"n":35,"i":0,"v":4}`), ""))
	inMemory := func(key string) ([]byte, error) {
		if key == "6" {
			return []byte(`{"n":26,"i":0,"v":9}`), nil
		}
		return nil, nil
	}
	subject := refold.Subject{Commit: 30, Stored: true, InMemory: inMemory}
	report, err := source.Audit(ctx, contract.Audit{Log: "p"}, subject)
	require.NoError(t, err)
	require.Equal(t, []contract.Difference{
		{Key: "doc/6", Kind: "memory"}, {Key: "doc/1", Kind: "missing"}, {Key: "doc/2", Kind: "unreadable"},
		{Key: "doc/3", Kind: "behind"}, {Key: "doc/4", Kind: "different"}, {Key: "doc/5", Kind: "ahead"},
	}, report.Differences)
	require.Equal(t, uint64(6), report.Wrong)

	// Documents that include more than the audited commit are compared at the commit that they include.
	_, err = newSource(store, 40, 100, &folds).Rebuild(ctx, refold.Overwrite)
	require.NoError(t, err)
	longer := newSource(store, 40, 100, &folds)
	report, err = longer.Audit(ctx, contract.Audit{Log: "p"}, refold.Subject{Commit: 30, Stored: true})
	require.NoError(t, err)
	require.Empty(t, report.Differences)
	require.NoError(t, store.Put(ctx, "doc/7", []byte(`{"n":37,"i":0,"v":9}`), ""))
	report, err = longer.Audit(ctx, contract.Audit{Log: "p"}, refold.Subject{Commit: 30, Stored: true})
	require.NoError(t, err)
	require.Equal(t, []contract.Difference{{Key: "doc/7", Kind: "different"}}, report.Differences)
}
