package projection_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry/metrictest"
)

// tally is the model of an aggregate that counts its events.
func tally() commitlog.Model[int] {
	return commitlog.Model[int]{Apply: func(_ string, n int, _ commitlog.Event) (int, error) { return n + 1, nil }}
}

// perAggregate is a projection that counts the events of each aggregate, in steps of its version.
func perAggregate(version int) projection.Model {
	return projection.Model{
		Version: version,
		Keys:    func(e commitlog.Event) []string { return []string{e.Aggregate} },
		Apply: func(_ string, doc json.RawMessage, _ commitlog.Event) (json.RawMessage, error) {
			n := 0
			if doc != nil {
				if err := json.Unmarshal(doc, &n); err != nil {
					return nil, err
				}
			}
			return json.Marshal(n + version)
		},
	}
}

func open(t *testing.T, store sidecar.State) *commitlog.Partition[int] {
	t.Helper()
	p, err := commitlog.Open(t.Context(), store, "test", "p", tally(), commitlog.Options{SyncEvery: time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func emit(t *testing.T, p *commitlog.Partition[int], id string) {
	t.Helper()
	_, err := p.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[int]) error {
		tx.Emit(id, "counted", nil)
		return nil
	})
	require.NoError(t, err)
}

// run runs a projection until the returned function is called.
func run(t *testing.T, fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { fn(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func requireDocuments(t *testing.T, p *projection.Projection, want map[string]string) {
	t.Helper()
	docs, err := p.Get(t.Context(), "a", "b", "c")
	require.NoError(t, err)
	got := map[string]string{}
	for key, doc := range docs {
		got[key] = string(doc)
	}
	require.Equal(t, want, got)
}

func TestWaitReturnsWhenTheDocumentsIncludeTheCommit(t *testing.T) {
	t.Parallel()
	log := open(t, memory.NewState())
	counts := projection.New(log, "counts", perAggregate(1))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	emit(t, log, "a")
	require.ErrorIs(t, counts.Wait(ctx, 1), context.DeadlineExceeded, "it does not run yet")
	run(t, counts.Run)
	for range 3 {
		emit(t, log, "b")
	}
	require.NoError(t, counts.Wait(t.Context(), log.Head()))
	requireDocuments(t, counts, map[string]string{"a": "1", "b": "3"})
}

func TestReplicasAndRepetitionsApplyEachEventOnce(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	first, second := open(t, store), open(t, store)
	counts := projection.New(first, "counts", perAggregate(1))
	stopFirst, stopSecond := run(t, counts.Run), run(t, projection.New(second, "counts", perAggregate(1)).Run)
	for range 20 {
		emit(t, first, "a")
		emit(t, second, "b")
	}
	require.NoError(t, counts.Wait(t.Context(), 40))
	requireDocuments(t, counts, map[string]string{"a": "20", "b": "20"})
	stopFirst()
	stopSecond()

	// A crash before the cursor is stored: everything is applied again.
	require.NoError(t, store.Delete(t.Context(), "cursor/p/view-counts", ""))
	again := projection.New(first, "counts", perAggregate(1))
	run(t, again.Run)
	require.NoError(t, again.Wait(t.Context(), 40))
	requireDocuments(t, again, map[string]string{"a": "20", "b": "20"})
}

// racing is a store in which another replica writes the same documents just before, as often as faster says. Its errors
// do not tell why a write failed.
type racing struct {
	*memory.State
	faster int
	reads  int // calls, of documents of projections
}

func (r *racing) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if strings.HasPrefix(keys[0], "view/") {
		r.reads++
	}
	return r.State.GetMany(ctx, keys)
}

func (r *racing) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if strings.HasPrefix(items[0].Key, "view/") && r.faster > 0 {
		r.faster--
		if err := r.State.PutManyIf(ctx, items); err != nil {
			return err
		}
	}
	if r.State.PutManyIf(ctx, items) != nil {
		return errors.New("put 2 keys: failed")
	}
	return nil
}

// once is a log that gives a follower its commits once, and has the error of the follower.
type once struct {
	*commitlog.Partition[int]
	err error
}

func (o *once) Follow(ctx context.Context, _ string, _ int, fn func(context.Context, []commitlog.Commit) error) {
	commits, err := o.Read(ctx, 1, 100)
	if err == nil {
		err = fn(ctx, commits)
	}
	o.err = err
}

// A replica whose documents another one has written reads them again, and neither waits nor complains.
func TestTheSlowerReplicaAdoptsTheDocuments(t *testing.T) {
	t.Parallel()
	store := &racing{State: memory.NewState()}
	log := &once{Partition: open(t, store)}
	emit(t, log.Partition, "a")
	emit(t, log.Partition, "b")
	counts := projection.New(log, "counts", perAggregate(1))
	store.faster, store.reads = 1, 0
	counts.Run(t.Context())
	require.NoError(t, log.err)
	assert.Equal(t, 2, store.reads)
	requireDocuments(t, counts, map[string]string{"a": "1", "b": "1"})

	refused := &refusing{State: memory.NewState()}
	log = &once{Partition: open(t, refused)}
	emit(t, log.Partition, "a")
	projection.New(log, "counts", perAggregate(1)).Run(t.Context())
	require.ErrorContains(t, log.err, "refused", "no other replica is the reason")
}

// refusing is a store that refuses documents of projections.
type refusing struct{ *memory.State }

func (r *refusing) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if strings.HasPrefix(items[0].Key, "view/") {
		return errors.New("refused")
	}
	return r.State.PutManyIf(ctx, items)
}

// unavailable is a store whose reads and writes fail while down is set.
type unavailable struct {
	*memory.State
	down atomic.Bool
}

func (u *unavailable) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if u.down.Load() {
		return sidecar.Item{}, errors.New("unavailable")
	}
	return u.State.Get(ctx, key)
}

func (u *unavailable) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if u.down.Load() {
		return errors.New("unavailable")
	}
	return u.State.PutManyIf(ctx, items)
}

func TestRunTriesAgainWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	store := &unavailable{State: memory.NewState()}
	log := open(t, store)
	emit(t, log, "a")
	store.down.Store(true)
	counts := projection.New(log, "counts", perAggregate(1))
	run(t, counts.Run)
	time.Sleep(100 * time.Millisecond)
	store.down.Store(false)
	require.NoError(t, counts.Wait(t.Context(), 1))
	store.down.Store(true)
	emit(t, log, "a")
	time.Sleep(100 * time.Millisecond)
	store.down.Store(false)
	require.NoError(t, counts.Wait(t.Context(), 2))
	requireDocuments(t, counts, map[string]string{"a": "2"})
}

func TestClosingThePartitionEndsRun(t *testing.T) {
	t.Parallel()
	store := &unavailable{State: memory.NewState()}
	for _, down := range []bool{false, true} {
		store.down.Store(false)
		log, err := commitlog.Open(t.Context(), store, "test", fmt.Sprint("p", down), tally(), commitlog.Options{})
		require.NoError(t, err)
		store.down.Store(down)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			projection.New(log, "counts", perAggregate(1)).Run(t.Context())
		}()
		require.NoError(t, log.Close(t.Context()))
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatalf("Run goes on, store down: %v", down)
		}
	}
}

func TestOpenWritesTheDocumentsOfANewVersion(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	log := open(t, store)
	old := projection.New(log, "counts", perAggregate(1))
	run(t, old.Run)
	for i := range 300 { // several reads of the log
		emit(t, log, string(rune('a'+i%3)))
	}
	renewed := projection.New(log, "counts", perAggregate(2))
	require.NoError(t, renewed.Open(t.Context()))
	requireDocuments(t, renewed, map[string]string{"a": "200", "b": "200", "c": "200"})
	require.NoError(t, old.Wait(t.Context(), 300))
	requireDocuments(t, old, map[string]string{"a": "100", "b": "100", "c": "100"})

	// The cursor of the new version is at the end of the log, so Open and Run repeat nothing.
	item, err := store.Get(t.Context(), "cursor/p/view-counts.v2")
	require.NoError(t, err)
	assert.JSONEq(t, `{"n":300}`, string(item.Value))
	require.NoError(t, renewed.Open(t.Context()))
}

// writeLists runs lists over a log and returns them with a function that adds an entry to the list "l".
func writeLists(t *testing.T) (*commitlog.Partition[int], *projection.Lists[int], func()) {
	log := open(t, memory.NewState())
	lists := projection.NewLists(log)
	run(t, lists.Run)
	return log, lists, func() {
		_, err := log.Do(t.Context(), []string{projection.ListID("l")}, func(tx *commitlog.Tx[int]) error {
			tx.EmitInternal(projection.ListID("l"), "listed", "entry")
			return nil
		})
		assert.NoError(t, err)
	}
}

func TestListHasTheEntriesOfTheCommitThatItWasReadWith(t *testing.T) {
	t.Parallel()
	log, lists, add := writeLists(t)
	add()
	_, err := lists.Read(t.Context(), "l", 0, 10)
	require.NoError(t, err)

	// An addition and a read wait for the writer together. Meanwhile the projection waits for more commits.
	busy, release := make(chan struct{}), make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, err := log.Do(t.Context(), []string{"other"}, func(tx *commitlog.Tx[int]) error {
			close(busy)
			<-release
			return nil
		})
		assert.NoError(t, err)
	})
	<-busy
	waiting.Go(add)
	time.Sleep(20 * time.Millisecond)
	waiting.Go(func() {
		entries, err := lists.Read(t.Context(), "l", 0, 10)
		assert.NoError(t, err)
		assert.Len(t, entries, 2)
	})
	time.Sleep(20 * time.Millisecond)
	close(release)
	waiting.Wait()
}

func TestTheLagOfAProjectionIsMeasured(t *testing.T) {
	t.Parallel()
	store := &unavailable{State: memory.NewState()}
	log, metrics := open(t, store), prometheus.NewPedanticRegistry()
	emit(t, log, "a")
	counts := projection.New(log, "counts", perAggregate(1))
	counts.Measure(metrics)
	assert.Empty(t, metrictest.Read(t, metrics), "its position is unknown until it runs")
	run(t, counts.Run)
	const position, lag = `projection_position{projection="p/counts"}`, `projection_lag_commits{projection="p/counts"}`
	require.NoError(t, counts.Wait(t.Context(), 1))
	require.Equal(t, map[string]float64{position: 1, lag: 0}, metrictest.Read(t, metrics))
	store.down.Store(true)
	emit(t, log, "a")
	emit(t, log, "a")
	require.Equal(t, map[string]float64{position: 1, lag: 2}, metrictest.Read(t, metrics))
	store.down.Store(false)
	require.NoError(t, counts.Wait(t.Context(), 3))
	require.Equal(t, map[string]float64{position: 3, lag: 0}, metrictest.Read(t, metrics))
}
