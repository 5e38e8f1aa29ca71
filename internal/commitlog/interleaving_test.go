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

var interleavings = flag.Int("interleavings", 150, "how many schedules TestWritersUnderManySchedules plays")

// scheduler is a store whose operations wait until the test runs them. The test decides which operation is next and
// whether its caller gets an error, and so plays one interleaving of the writers after another.
type scheduler struct {
	store   *memory.State
	mu      sync.Mutex
	waiting []*operation
	late    []*operation // their callers have got an error, and they happen later
}

type operation struct {
	process *process
	write   bool
	do      func()
	err     error         // for the caller
	done    chan struct{} // closed when the operation has happened or failed
}

// process is the store as one process sees it.
type process struct {
	scheduler *scheduler
	killed    bool // its operations fail and do not happen
}

var errNoAnswer = errors.New("no answer")

func (p *process) run(ctx context.Context, write bool, do func()) error {
	op := &operation{process: p, write: write, do: do, done: make(chan struct{})}
	p.scheduler.mu.Lock()
	p.scheduler.waiting = append(p.scheduler.waiting, op)
	p.scheduler.mu.Unlock()
	select {
	case <-op.done:
		return op.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runOne lets one operation happen, or fail, or both. failures is the share of operations that fail. It is called when
// all goroutines wait.
func (s *scheduler) runOne(rnd *rand.Rand, failures float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.late) > 0 && rnd.IntN(4) == 0 {
		i := rnd.IntN(len(s.late))
		s.late[i].do()
		s.late = append(s.late[:i], s.late[i+1:]...)
		return
	}
	if len(s.waiting) == 0 {
		return
	}
	i := rnd.IntN(len(s.waiting))
	op := s.waiting[i]
	s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
	random := rnd.Float64()
	switch {
	case op.process.killed:
		op.err = errNoAnswer
	case random >= failures:
		op.do()
	case !op.write || random < failures/3:
		op.err = errNoAnswer
	case random < failures*2/3:
		op.do()
		op.err = errNoAnswer
	default:
		op.err = errNoAnswer
		s.late = append(s.late, op)
	}
	close(op.done)
}

// Get and the methods below implement sidecar.State.
func (p *process) Get(ctx context.Context, key string) (item sidecar.Item, err error) {
	var inner error
	err = p.run(ctx, false, func() { item, inner = p.scheduler.store.Get(context.Background(), key) })
	return item, errors.Join(err, inner)
}

func (p *process) GetMany(ctx context.Context, keys []string) (items map[string]sidecar.Item, err error) {
	var inner error
	err = p.run(ctx, false, func() { items, inner = p.scheduler.store.GetMany(context.Background(), keys) })
	return items, errors.Join(err, inner)
}

func (p *process) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	var inner error
	create := func() { inner = p.scheduler.store.Create(context.Background(), key, value, opts...) }
	if err := p.run(ctx, true, create); err != nil {
		return err
	}
	if errors.Is(inner, sidecar.ErrExists) { // as the port promises, the caller's own value is not ErrExists
		now, err := p.Get(ctx, key)
		if err != nil {
			return err
		}
		if string(now.Value) == string(value) {
			return nil
		}
	}
	return inner
}

func (p *process) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	var inner error
	err := p.run(ctx, true, func() { inner = p.scheduler.store.Put(context.Background(), key, value, etag, opts...) })
	return errors.Join(err, inner)
}

func (p *process) PutMany(ctx context.Context, items []sidecar.Item) error {
	var inner error
	err := p.run(ctx, true, func() { inner = p.scheduler.store.PutMany(context.Background(), items) })
	return errors.Join(err, inner)
}

func (p *process) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	var inner error
	err := p.run(ctx, true, func() { inner = p.scheduler.store.PutManyIf(context.Background(), items) })
	return errors.Join(err, inner)
}

func (p *process) Delete(ctx context.Context, key, etag string) error {
	var inner error
	err := p.run(ctx, true, func() { inner = p.scheduler.store.Delete(context.Background(), key, etag) })
	return errors.Join(err, inner)
}

// Contending writers use a store that answers in any order or not at all, and that does some writes later although it
// has answered with an error. Some processes are killed. Nothing is sold twice, and every acknowledged command is in
// the log once.
func TestWritersUnderManySchedules(t *testing.T) {
	t.Parallel()
	for seed := range uint64(*interleavings) {
		synctest.Test(t, func(t *testing.T) { playSchedule(t, seed) })
		if t.Failed() {
			t.Fatalf("schedule %d", seed)
		}
	}
}

// goods is how many pieces are for sale.
const goods = 12

func playSchedule(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	s := &scheduler{store: memory.NewState()}
	ctx := context.Background()
	o := commitlog.Options{
		CheckpointEvery: 7 * time.Millisecond, SyncEvery: 5 * time.Millisecond, Patience: 300 * time.Millisecond, Warm: 2,
	}
	open := func(store *process) (*commitlog.Partition[ledger], error) {
		return commitlog.Open(ctx, store, "test", "p", ledgerModel(), o)
	}

	var mu sync.Mutex
	sold, counted := map[string]bool{}, map[string]bool{} // the keys of acknowledged commands
	acknowledge := func(keys map[string]bool, key string) {
		mu.Lock()
		defer mu.Unlock()
		keys[key] = true
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
			tx.EmitInternal("hold/"+key, "added", map[string]any{"K": key, "N": 1})
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
	// count adds one without asking whether it has done so before: exactly once if it is acknowledged, else at most once.
	count := func(p *commitlog.Partition[ledger], key string) {
		_, err := p.Do(ctx, []string{"counter"}, func(tx *commitlog.Tx[ledger]) error {
			tx.EmitInternal("counter", "added", map[string]any{"K": key, "N": 1})
			return nil
		})
		if err == nil {
			acknowledge(counted, key)
		}
	}
	// Together the sellers want to sell more than there is. Each repeats a sale until it is answered, and starts another
	// process when its process is killed.
	var sellers, closing sync.WaitGroup
	for w := range 3 {
		sellers.Go(func() {
			var p *commitlog.Partition[ledger]
			var own *process
			for i, attempt := 0, 0; i < goods/2; attempt++ {
				if p == nil {
					own = &process{scheduler: s}
					var err error
					if p, err = open(own); err != nil {
						continue
					}
				}
				count(p, fmt.Sprint(w, "/", attempt))
				err := sell(p, fmt.Sprint(w, "/", i))
				if err == nil || errors.Is(err, errSoldOut) {
					i++
				}
				mu.Lock()
				crash := rnd.IntN(5) == 0
				mu.Unlock()
				if last := i == goods/2; crash || last {
					s.mu.Lock()
					own.killed = crash
					s.mu.Unlock()
					ending := p
					closing.Go(func() { ending.Close(ctx) })
					p = nil
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		sellers.Wait()
		closing.Wait()
		close(finished)
	}()
	for n := 0; ; n++ {
		synctest.Wait()
		select {
		case <-finished:
			requireSoldOnce(t, s, o, sold, counted)
			return
		default:
		}
		failures := 0.3
		if n > 3000 {
			failures = 0 // so that the schedule ends
		}
		if n > 30_000 {
			panic(fmt.Sprintf("schedule %d does not end", seed))
		}
		mu.Lock()
		s.runOne(rnd, failures)
		mu.Unlock()
		if n%3 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

var errSoldOut = errors.New("sold out")

// requireSoldOnce checks the log after all processes have ended and all late writes have happened.
func requireSoldOnce(t *testing.T, s *scheduler, o commitlog.Options, sold, counted map[string]bool) {
	for _, op := range s.late {
		op.do()
	}
	o.CheckpointEvery = time.Hour
	p, err := commitlog.Open(context.Background(), s.store, "test", "p", ledgerModel(), o)
	require.NoError(t, err)
	stock, _, err := p.Get(context.Background(), "stock")
	require.NoError(t, err)
	require.Equal(t, int64(goods), stock.N, "everything is sold, and nothing twice")
	require.Len(t, stock.Seen, goods)
	for key := range sold {
		require.Contains(t, stock.Seen, key, "an acknowledged sale is in the log")
	}
	require.Len(t, sold, goods, "every sale was acknowledged in the end")
	require.Equal(t, uint64(goods), p.Published())
	counter, _, err := p.Get(context.Background(), "counter")
	require.NoError(t, err)
	require.Len(t, counter.Seen, int(counter.N), "nothing is counted twice")
	for key := range counted {
		require.Contains(t, counter.Seen, key, "an acknowledged count is in the log")
	}
	audit, err := p.Audit(context.Background())
	require.NoError(t, err)
	require.Empty(t, audit.Differences)
	require.NoError(t, p.Close(context.Background()))
}
