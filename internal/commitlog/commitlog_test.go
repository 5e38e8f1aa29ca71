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

func TestMemory(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(*testing.T) sidecar.State { return memory.NewState() })
}

// flaky answers some writes with an error although they happened, some before they happen.
type flaky struct {
	*memory.State
	mu   sync.Mutex
	rnd  *rand.Rand
	rate float64
}

var errLost = errors.New("connection reset")

func (f *flaky) roll() float64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rnd.Float64()
}

func (f *flaky) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	r := f.roll()
	if r < f.rate/2 {
		return errLost // never happened
	}
	err := f.State.Create(ctx, key, value, opts...)
	if errors.Is(err, sidecar.ErrExists) { // as the port promises: not ErrExists for one's own value
		if now, _ := f.Get(ctx, key); string(now.Value) == string(value) {
			err = nil
		}
	}
	if r < f.rate {
		return errLost // happened, but nobody knows
	}
	return err
}

func (f *flaky) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if f.roll() < f.rate && len(items) > 0 {
		f.State.PutManyIf(ctx, items[:1])
		return errLost
	}
	return f.State.PutManyIf(ctx, items)
}

// cable is one process's way to the store. Cut, it is as if the process had been killed.
type cable struct {
	sidecar.State
	cut atomic.Bool
}

var errCut = errors.New("cut off")

func (c *cable) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if c.cut.Load() {
		return errCut
	}
	return c.State.Create(ctx, key, value, opts...)
}

func (c *cable) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if c.cut.Load() {
		return errCut
	}
	return c.State.Put(ctx, key, value, etag, opts...)
}

func (c *cable) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if c.cut.Load() {
		return errCut
	}
	return c.State.PutManyIf(ctx, items)
}

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

// Whatever the store loses or hides, and however often a process is dropped without closing: each
// acknowledged command is in the log once, in an order that every reader agrees on.
func TestFlakyStoreAndCrashes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		store := &flaky{State: memory.NewState(), rnd: rand.New(rand.NewPCG(seed, 1)), rate: rapid.Float64Range(0, 0.5).Draw(rt, "rate")}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := commitlog.Options{CheckpointEvery: time.Millisecond, Warm: 2, SyncEvery: 2 * time.Millisecond, Patience: 5 * time.Second}
		acknowledged := sync.Map{}
		type process struct {
			cable   *cable
			crashes bool
		}
		var processes []process
		for life := range rapid.IntRange(1, 3).Draw(rt, "lives") {
			var wg sync.WaitGroup
			for w := range rapid.IntRange(1, 3).Draw(rt, "writers") {
				own := &cable{State: store}
				p, err := commitlog.Open(ctx, own, "test", "p", ledgerModel(), o)
				require.NoError(rt, err) // reads never fail in this store
				defer p.Close(ctx)
				wg.Go(func() {
					for i := range 12 {
						id, key := fmt.Sprint("a", i%4), fmt.Sprintf("%d/%d/%d", life, w, i)
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
					p.cable.cut.Store(true) // nothing that it does from here on reaches the store
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
			require.Equal(rt, b, a, "documents and tail equal the log")
			require.Equal(rt, int64(len(a.Seen)), a.N, "each command once")
		}
		acknowledged.Range(func(key, id any) bool {
			s, _, err := live.Get(ctx, id.(string))
			require.NoError(rt, err)
			require.Equal(rt, int64(1), s.Seen[key.(string)])
			return true
		})
	})
}

func TestSilentStoreFailsCommandsAsUnknown(t *testing.T) {
	t.Parallel()
	store := &flaky{State: memory.NewState(), rnd: rand.New(rand.NewPCG(1, 1)), rate: 2}
	p, err := commitlog.Open(t.Context(), store, "test", "p", ledgerModel(), commitlog.Options{Patience: 20 * time.Millisecond})
	require.NoError(t, err)
	_, err = p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[ledger]) error {
		tx.Emit("a", "added", map[string]any{"K": "k", "N": 1})
		return nil
	})
	assert.ErrorIs(t, err, commitlog.ErrUnknown)
}

func TestTooLargeCommandIsRefusedAndOthersAreSplit(t *testing.T) {
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

func TestClosedPartitionRefuses(t *testing.T) {
	t.Parallel()
	p, err := commitlog.Open(t.Context(), memory.NewState(), "test", "p", ledgerModel(), commitlog.Options{})
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	_, err = p.Do(t.Context(), nil, func(*commitlog.Tx[ledger]) error { return nil })
	assert.ErrorIs(t, err, commitlog.ErrClosed)
}

// However lately this process was told that something is not there: another one may have made it since.
func TestAbsenceIsNeverOld(t *testing.T) {
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
	for n, look := range []func(id string) bool{
		func(id string) bool { _, seq, err := p[1].Get(ctx, id); require.NoError(t, err); return seq > 0 },
		func(id string) bool {
			found, err := p[1].GetMany(ctx, []string{id})
			require.NoError(t, err)
			return len(found) > 0
		},
	} {
		id := fmt.Sprint("a", n)
		_, err := p[1].Preload(ctx, []string{id})
		require.NoError(t, err)
		require.False(t, look(id))
		_, err = p[0].Do(ctx, []string{id}, func(tx *commitlog.Tx[ledger]) error {
			tx.Emit(id, "added", map[string]any{"K": "k", "N": 1})
			return nil
		})
		require.NoError(t, err)
		require.True(t, look(id))
	}
}
