package commitlog_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var interleavings = flag.Int("interleavings", 150, "how many schedules TestWritersUnderEverySchedule plays")

// stage is a store whose operations wait for their turn. The test decides which comes next, and what its caller
// is told: so it plays one interleaving of the writers after another.
type stage struct {
	store *memory.State
	mu    sync.Mutex
	wait  []*operation
	late  []*operation // their callers were told that they failed, and they happen later
}

type operation struct {
	actor *actor
	write bool
	do    func()
	fail  error
	done  chan struct{}
}

// actor is one process at the store.
type actor struct {
	stage *stage
	dead  bool // what it asks for does not happen any more
}

var errNoAnswer = errors.New("no answer")

func (a *actor) act(ctx context.Context, write bool, do func()) error {
	op := &operation{actor: a, write: write, do: do, done: make(chan struct{})}
	a.stage.mu.Lock()
	a.stage.wait = append(a.stage.wait, op)
	a.stage.mu.Unlock()
	select {
	case <-op.done:
		return op.fail
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step lets one operation happen, or fail, or both. It is called when all goroutines wait.
func (s *stage) step(rnd *rand.Rand, trouble float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) > 0 && rnd.IntN(4) == 0 {
		i := rnd.IntN(len(s.late))
		s.late[i].do()
		s.late = append(s.late[:i], s.late[i+1:]...)
		return
	}
	if len(s.wait) == 0 {
		return
	}
	i := rnd.IntN(len(s.wait))
	op := s.wait[i]
	s.wait = append(s.wait[:i], s.wait[i+1:]...)
	fate := rnd.Float64()
	switch {
	case op.actor.dead:
		op.fail = errNoAnswer
	case fate >= trouble:
		op.do()
	case !op.write || fate < trouble/3:
		op.fail = errNoAnswer
	case fate < trouble*2/3:
		op.do()
		op.fail = errNoAnswer
	default:
		op.fail = errNoAnswer
		s.late = append(s.late, op)
	}
	close(op.done)
}

// Get implements sidecar.State, as do the others.
func (a *actor) Get(ctx context.Context, key string) (item sidecar.Item, err error) {
	var inner error
	err = a.act(ctx, false, func() { item, inner = a.stage.store.Get(context.Background(), key) })
	return item, errors.Join(err, inner)
}

func (a *actor) GetMany(ctx context.Context, keys []string) (items map[string]sidecar.Item, err error) {
	var inner error
	err = a.act(ctx, false, func() { items, inner = a.stage.store.GetMany(context.Background(), keys) })
	return items, errors.Join(err, inner)
}

func (a *actor) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	var inner error
	if err := a.act(ctx, true, func() { inner = a.stage.store.Create(context.Background(), key, value, opts...) }); err != nil {
		return err
	}
	if errors.Is(inner, sidecar.ErrExists) { // as the port promises: not ErrExists for one's own value
		now, err := a.Get(ctx, key)
		if err != nil {
			return err
		}
		if string(now.Value) == string(value) {
			return nil
		}
	}
	return inner
}

func (a *actor) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	var inner error
	err := a.act(ctx, true, func() { inner = a.stage.store.Put(context.Background(), key, value, etag, opts...) })
	return errors.Join(err, inner)
}

func (a *actor) PutMany(ctx context.Context, items []sidecar.Item) error {
	var inner error
	err := a.act(ctx, true, func() { inner = a.stage.store.PutMany(context.Background(), items) })
	return errors.Join(err, inner)
}

func (a *actor) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	var inner error
	err := a.act(ctx, true, func() { inner = a.stage.store.PutManyIf(context.Background(), items) })
	return errors.Join(err, inner)
}

func (a *actor) Delete(ctx context.Context, key, etag string) error {
	var inner error
	err := a.act(ctx, true, func() { inner = a.stage.store.Delete(context.Background(), key, etag) })
	return errors.Join(err, inner)
}

// Writers in contention over a store that answers in any order, or not at all, or does late what it said had
// failed, and that lose processes in between: nothing is sold twice, and what was acknowledged is in the log once.
func TestWritersUnderEverySchedule(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*interleavings) {
		synctest.Test(t, func(t *testing.T) { play(t, seed) })
		if t.Failed() {
			t.Fatalf("under schedule %d", seed)
		}
	}
}

const goods = 12

func play(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := &stage{store: memory.NewState()}
	ctx := context.Background()
	o := commitlog.Options{CheckpointEvery: 7 * time.Millisecond, SyncEvery: 5 * time.Millisecond, Patience: 300 * time.Millisecond, Warm: 2}
	open := func(a *actor) (*commitlog.Partition[ledger], error) {
		return commitlog.Open(ctx, a, "test", "p", ledgerModel(), o)
	}

	var mu sync.Mutex
	sold, rung := map[string]bool{}, map[string]bool{}
	acknowledge := func(what map[string]bool, key string) {
		mu.Lock()
		defer mu.Unlock()
		what[key] = true
	}
	sell := func(p *commitlog.Partition[ledger], key string) error {
		mu.Lock()
		before, seen := int64(len(sold)), int64(0)
		mu.Unlock()
		_, err := p.Do(ctx, []string{"stock", "hold/" + key}, func(tx *commitlog.Tx[ledger]) error {
			stock, _ := tx.State("stock")
			seen = stock.N
			if s, _ := tx.State("hold/" + key); s.N > 0 {
				return nil
			}
			if stock.N == goods {
				return errSoldOut
			}
			tx.Emit("stock", "added", map[string]any{"K": key, "N": 1})
			tx.Note("hold/"+key, "added", map[string]any{"K": key, "N": 1})
			return nil
		})
		if err == nil {
			acknowledge(sold, key)
		}
		if (err == nil || errors.Is(err, errSoldOut)) && seen < before {
			t.Errorf("decided on %d sales after %d were acknowledged", seen, before)
		}
		return err
	}
	// ring counts up without asking whether it has done so: once for each answer, at most once without one.
	ring := func(p *commitlog.Partition[ledger], key string) {
		_, err := p.Do(ctx, []string{"till"}, func(tx *commitlog.Tx[ledger]) error {
			tx.Note("till", "added", map[string]any{"K": key, "N": 1})
			return nil
		})
		if err == nil {
			acknowledge(rung, key)
		}
	}
	// Each seller sells more than its share, over processes that die, and repeats what it got no answer to.
	var sellers, closing sync.WaitGroup
	for w := range 3 {
		sellers.Go(func() {
			var p *commitlog.Partition[ledger]
			var a *actor
			for i, attempt := 0, 0; i < goods/2; attempt++ {
				if p == nil {
					a = &actor{stage: s}
					var err error
					if p, err = open(a); err != nil {
						continue
					}
				}
				ring(p, fmt.Sprint(w, "/", attempt))
				err := sell(p, fmt.Sprint(w, "/", i))
				if err == nil || errors.Is(err, errSoldOut) {
					i++
				}
				mu.Lock()
				crash := rnd.IntN(5) == 0
				mu.Unlock()
				if last := i == goods/2; crash || last {
					s.mu.Lock()
					a.dead = crash
					s.mu.Unlock()
					ending := p
					closing.Go(func() { ending.Close(ctx) })
					p = nil
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { sellers.Wait(); closing.Wait(); close(over) }()
	for n := 0; ; n++ {
		synctest.Wait()
		select {
		case <-over:
			settled(t, s, o, sold, rung)
			return
		default:
		}
		trouble := 0.3
		if n > 3000 {
			trouble = 0 // it gets well
		}
		if n > 30_000 {
			panic(fmt.Sprintf("schedule %d does not end", seed))
		}
		mu.Lock()
		s.step(rnd, trouble)
		mu.Unlock()
		if n%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

var errSoldOut = errors.New("sold out")

// settled looks at the log when all have ended and what was late has happened.
func settled(t *testing.T, s *stage, o commitlog.Options, sold, rung map[string]bool) {
	for _, op := range s.late {
		op.do()
	}
	o.CheckpointEvery = time.Hour
	p, err := commitlog.Open(context.Background(), s.store, "test", "p", ledgerModel(), o)
	require.NoError(t, err)
	stock, _, err := p.Get(context.Background(), "stock")
	require.NoError(t, err)
	require.Equal(t, int64(goods), stock.N, "all is sold, and nothing twice")
	require.Len(t, stock.Seen, goods)
	for key := range sold {
		require.Contains(t, stock.Seen, key, "an acknowledged sale")
	}
	require.Len(t, sold, goods, "each sale was acknowledged in the end")
	require.Equal(t, uint64(goods), p.Published())
	till, _, err := p.Get(context.Background(), "till")
	require.NoError(t, err)
	require.Len(t, till.Seen, int(till.N), "nothing is rung up twice")
	for key := range rung {
		require.Contains(t, till.Seen, key, "an acknowledged ring")
	}
	audit, err := p.Audit(context.Background())
	require.NoError(t, err)
	require.Empty(t, audit.Differences)
	require.NoError(t, p.Close(context.Background()))
}
