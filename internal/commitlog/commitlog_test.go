package commitlog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func TestInMemory(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(*testing.T) sidecar.State { return memory.NewState() })
}

// flaky is a store that answers some writes with an error: of these, half happen and half do not.
type flaky struct {
	*memory.State
	mu   sync.Mutex
	rnd  *rand.Rand
	rate float64
}

var errLost = errors.New("connection reset")

func (f *flaky) random() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rnd.Float64()
}

func (f *flaky) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	r := f.random()
	if r < f.rate/2 {
		return errLost // it did not happen
	}
	err := f.State.Create(ctx, key, value, opts...)
	if errors.Is(err, sidecar.ErrExists) { // as the port promises, the caller's own value is not ErrExists
		if now, _ := f.Get(ctx, key); string(now.Value) == string(value) {
			err = nil
		}
	}
	if r < f.rate {
		return errLost // it happened
	}
	return err
}

func (f *flaky) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if f.random() < f.rate && len(items) > 0 {
		f.State.PutManyIf(ctx, items[:1])
		return errLost
	}
	return f.State.PutManyIf(ctx, items)
}

// killable is the store as one process sees it. Once killed is set, no write reaches the store, as if the process had
// been killed.
type killable struct {
	sidecar.State
	killed atomic.Bool
}

var errKilled = errors.New("the process was killed")

func (k *killable) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if k.killed.Load() {
		return errKilled
	}
	return k.State.Create(ctx, key, value, opts...)
}

func (k *killable) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if k.killed.Load() {
		return errKilled
	}
	return k.State.Put(ctx, key, value, etag, opts...)
}

func (k *killable) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if k.killed.Load() {
		return errKilled
	}
	return k.State.PutManyIf(ctx, items)
}

// ledger is an aggregate that adds numbers and remembers their keys.
type ledger struct {
	N    int64
	Seen map[string]int64
}

func ledgerModel() commitlog.Model[ledger] {
	return commitlog.Model[ledger]{Apply: func(_ string, s ledger, e commitlog.Event) (ledger, error) {
		var d struct {
			K string
			N int64
		}
		if err := e.Decode(&d); err != nil {
			return s, err
		}
		next := ledger{N: s.N + d.N, Seen: map[string]int64{d.K: d.N}}
		for k, v := range s.Seen {
			next.Seen[k] = v
		}
		return next, nil
	}}
}

// The store answers writes with errors, whether they happened or not, and processes are killed. Each acknowledged
// command is in the log once, and documents equal the log.
func TestAcknowledgedCommandsSurviveAFlakyStoreAndCrashes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rate := rapid.Float64Range(0, 0.5).Draw(rt, "rate")
		store := &flaky{State: memory.NewState(), rnd: rand.New(rand.NewPCG(seed, 1)), rate: rate}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := commitlog.Options{
			CheckpointEvery: time.Millisecond, Warm: 2, SyncEvery: 2 * time.Millisecond, Patience: 5 * time.Second,
		}
		acknowledged := sync.Map{}
		type process struct {
			store   *killable
			crashes bool
		}
		var processes []process
		for round := range rapid.IntRange(1, 3).Draw(rt, "rounds") {
			var wg sync.WaitGroup
			for w := range rapid.IntRange(1, 3).Draw(rt, "writers") {
				own := &killable{State: store}
				p, err := commitlog.Open(ctx, own, "test", "p", ledgerModel(), o)
				require.NoError(rt, err) // reads never fail in this store
				defer p.Close(ctx)
				wg.Go(func() {
					for i := range 12 {
						id, key := fmt.Sprint("a", i%4), fmt.Sprintf("%d/%d/%d", round, w, i)
						_, err := p.Do(ctx, []string{id}, func(tx *commitlog.Tx[ledger]) error {
							if s, _ := tx.State(id); s.Seen[key] == 0 {
								tx.Emit(id, "added", map[string]any{"K": key, "N": 1})
							}
							return nil
						})
						if err == nil {
							acknowledged.Store(key, id)
						}
					}
				})
				processes = append(processes, process{own, w%2 == 0})
			}
			wg.Wait()
			for _, p := range processes {
				if p.crashes {
					p.store.killed.Store(true)
				}
			}
		}
		live, err := commitlog.Open(ctx, store, "test", "p", ledgerModel(), o)
		require.NoError(rt, err)
		defer live.Close(ctx)
		fromLog, err := commitlog.Open(ctx, store, "test", "p", ledgerModel(), commitlog.Options{Resident: true})
		require.NoError(rt, err)
		defer fromLog.Close(ctx)
		for i := range 4 {
			id := fmt.Sprint("a", i)
			a, _, err := live.Get(ctx, id)
			require.NoError(rt, err)
			b, _, err := fromLog.Get(ctx, id)
			require.NoError(rt, err)
			require.Equal(rt, b, a, "documents and the commits after them equal the log")
			require.Equal(rt, int64(len(a.Seen)), a.N, "each command is applied once")
		}
		acknowledged.Range(func(key, id any) bool {
			s, _, err := live.Get(ctx, id.(string))
			require.NoError(rt, err)
			require.Equal(rt, int64(1), s.Seen[key.(string)])
			return true
		})
	})
}

func TestCommandsFailWithErrUnknownWhileTheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	store := &flaky{State: memory.NewState(), rnd: rand.New(rand.NewPCG(1, 1)), rate: 2}
	o := commitlog.Options{Patience: 20 * time.Millisecond}
	p, err := commitlog.Open(t.Context(), store, "test", "p", ledgerModel(), o)
	require.NoError(t, err)
	_, err = p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
		tx.Emit("a", "added", map[string]any{"K": "k", "N": 1})
		return nil
	})
	assert.ErrorIs(t, err, commitlog.ErrUnknown)
}

func TestReadersSeeMemoryWhileTheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	store := &unavailableStore{State: memory.NewState()}
	p, err := commitlog.Open(t.Context(), store, "test", "p", texts(), commitlog.Options{Patience: 10 * time.Millisecond,
		SyncEvery: time.Hour})
	require.NoError(t, err)
	defer p.Close(t.Context())
	write(t, p, "a", "x")
	store.down.Store(true)
	_, _, err = p.Get(t.Context(), "a")
	require.ErrorIs(t, err, commitlog.ErrUnknown)
	state, seq, err := p.GetOrRecent(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "x", state)
	require.Equal(t, uint64(1), seq)
	_, _, err = p.GetOrRecent(t.Context(), "never written")
	require.ErrorIs(t, err, commitlog.ErrUnknown)
	store.down.Store(false)
}

// unavailableStore is a store whose reads fail while down is set.
type unavailableStore struct {
	*memory.State
	down atomic.Bool
}

func (s *unavailableStore) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if s.down.Load() {
		return nil, sidecar.StoreUnavailable(nil)
	}
	return s.State.GetMany(ctx, keys)
}

func TestTooLargeCommandIsRefusedAndALargeBatchIsSplit(t *testing.T) {
	t.Parallel()
	p, err := commitlog.Open(t.Context(), memory.NewState(), "test", "p", ledgerModel(), commitlog.Options{MaxBytes: 2000})
	require.NoError(t, err)
	defer p.Close(context.Background())
	emit := func(size int) error {
		_, err := p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit("a", "added", map[string]any{"K": string(make([]byte, size)), "N": 1})
			return nil
		})
		return err
	}
	assert.ErrorIs(t, emit(3000), commitlog.ErrTooLarge)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { assert.NoError(t, emit(50)) })
	}
	wg.Wait()
	s, seq, err := p.Get(t.Context(), "a")
	require.NoError(t, err)
	assert.Equal(t, int64(50), s.N)
	assert.Equal(t, uint64(50), seq)
}

func TestClosedPartitionRefusesCommands(t *testing.T) {
	t.Parallel()
	p, err := commitlog.Open(t.Context(), memory.NewState(), "test", "p", ledgerModel(), commitlog.Options{})
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	_, err = p.Do(t.Context(), nil, func(*commitlog.Tx[ledger]) error { return nil })
	assert.ErrorIs(t, err, commitlog.ErrClosed)
}

// A read that finds no aggregate asks the log, because another process may have created it a moment ago.
func TestMissingAggregateIsReadFromTheLog(t *testing.T) {
	t.Parallel()
	store, ctx := memory.NewState(), t.Context()
	o := commitlog.Options{SyncEvery: time.Hour, CheckpointEvery: time.Hour}
	var p [2]*commitlog.Partition[ledger]
	for i := range p {
		var err error
		p[i], err = commitlog.Open(ctx, store, "test", "p", ledgerModel(), o)
		require.NoError(t, err)
		defer p[i].Close(context.Background())
	}
	for n, exists := range []func(id string) bool{
		func(id string) bool {
			_, seq, err := p[1].Get(ctx, id)
			require.NoError(t, err)
			return seq > 0
		},
		func(id string) bool {
			found, err := p[1].GetMany(ctx, []string{id})
			require.NoError(t, err)
			return len(found) > 0
		},
	} {
		id := fmt.Sprint("a", n)
		_, err := p[1].Preload(ctx, []string{id})
		require.NoError(t, err)
		require.False(t, exists(id))
		_, err = p[0].Do(ctx, []string{id}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit(id, "added", map[string]any{"K": "k", "N": 1})
			return nil
		})
		require.NoError(t, err)
		require.True(t, exists(id))
	}
}

func TestHistoryHasTheEventsOfTheCommitThatItWasReadWith(t *testing.T) {
	t.Parallel()
	p, err := commitlog.Open(t.Context(), memory.NewState(), "test", "p", ledgerModel(), commitlog.Options{})
	require.NoError(t, err)
	defer p.Close(context.Background())
	add := func() {
		_, err := p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit("a", "added", map[string]any{"K": "k", "N": 1})
			return nil
		})
		assert.NoError(t, err)
	}
	add()

	// A command and a read of the history wait for the writer together.
	busy, release := make(chan struct{}), make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, err := p.Do(t.Context(), nil, func(*commitlog.Tx[ledger]) error {
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
		events, err := p.History(t.Context(), "a", 0, 10)
		assert.NoError(t, err)
		assert.Len(t, events, 2)
	})
	time.Sleep(20 * time.Millisecond)
	close(release)
	waiting.Wait()
}
