// Package logtest is the conformance suite of internal/commitlog over a state store: run it with every
// store that a shop may use.
package logtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// Counter is the aggregate of the suite: a sum that must not fall below zero.
type Counter struct {
	Sum  int64    `json:"sum"`
	Keys []string `json:"keys,omitempty"`
}

type added struct {
	Key string `json:"k"`
	N   int64  `json:"n"`
}

var errShort = errors.New("not enough")

func model() commitlog.Model[Counter] {
	return commitlog.Model[Counter]{Apply: func(_ string, s Counter, e commitlog.Event) (Counter, error) {
		var a added
		if err := e.Decode(&a); err != nil {
			return s, err
		}
		s.Sum += a.N
		s.Keys = append(s.Keys[:len(s.Keys):len(s.Keys)], a.Key)
		return s, nil
	}}
}

// add is idempotent by key, and refuses to go below zero.
func add(ctx context.Context, p *commitlog.Partition[Counter], id, key string, n int64) error {
	_, err := p.Do(ctx, []string{id}, func(tx *commitlog.Tx[Counter]) error {
		s, _ := tx.State(id)
		for _, k := range s.Keys {
			if k == key {
				return nil
			}
		}
		if s.Sum+n < 0 {
			return errShort
		}
		tx.Emit(id, "added", added{key, n})
		return nil
	})
	return err
}

type suite struct{ store sidecar.State }

func (s suite) start(t *testing.T, name string, o commitlog.Options) *commitlog.Partition[Counter] {
	p, err := commitlog.Open(context.Background(), s.store, "test", name, model(), o)
	require.NoError(t, err)
	return p
}

// Test runs the suite. open gives a store; logs of one run do not meet those of another.
func Test(t *testing.T, open func(t *testing.T) sidecar.State) {
	s := suite{open(t)}
	ctx, start := t.Context(), s.start
	for name, run := range map[string]func(*testing.T){
		"published events are numbered without a gap":            s.positions,
		"lists are read in pages, at once and on every replica":  s.pagesOfLists,
		"the feed gives every event by its position, to anybody": s.feeds,
		"what is preloaded is what the log makes":                s.preloads,
		"documents are what the log makes, or an audit says so":  s.audits,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t) })
	}

	t.Run("events survive a restart with and without documents", func(t *testing.T) {
		t.Parallel()
		p := start(t, "restart", commitlog.Options{CheckpointEvery: 5 * time.Millisecond})
		for i := range 40 {
			require.NoError(t, add(ctx, p, fmt.Sprint("c", i%7), fmt.Sprint(i), int64(i)))
		}
		want := map[string]Counter{}
		for i := range 7 {
			s, _, err := p.Get(ctx, fmt.Sprint("c", i))
			require.NoError(t, err)
			want[fmt.Sprint("c", i)] = s
		}
		require.NoError(t, p.Close(ctx))
		for _, resident := range []bool{false, true} {
			p = start(t, "restart", commitlog.Options{Resident: resident})
			for id, s := range want {
				got, _, err := p.Get(ctx, id)
				require.NoError(t, err)
				assert.Equal(t, s, got, "%s, resident %v", id, resident)
			}
			require.NoError(t, p.Close(ctx))
		}
	})

	t.Run("a refused command leaves nothing behind", func(t *testing.T) {
		t.Parallel()
		p := start(t, "refused", commitlog.Options{})
		defer p.Close(ctx)
		require.NoError(t, add(ctx, p, "c", "one", 1))
		require.ErrorIs(t, add(ctx, p, "c", "two", -2), errShort)
		s, seq, err := p.Get(ctx, "c")
		require.NoError(t, err)
		assert.Equal(t, int64(1), s.Sum)
		assert.Equal(t, uint64(1), seq)
	})

	t.Run("writers in contention never oversell and lose nothing", func(t *testing.T) {
		t.Parallel()
		const writers, each = 4, 25
		var ps []*commitlog.Partition[Counter]
		for range writers {
			ps = append(ps, start(t, "contention", commitlog.Options{Patience: 20 * time.Second}))
		}
		require.NoError(t, add(ctx, ps[0], "stock", "receive", writers*each/2))
		release := make(chan struct{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		sold := 0
		for w, p := range ps {
			for i := range each {
				wg.Go(func() {
					<-release
					err := add(ctx, p, "stock", fmt.Sprintf("%d-%d", w, i), -1)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						sold++
					} else {
						assert.ErrorIs(t, err, errShort)
					}
				})
			}
		}
		close(release)
		wg.Wait()
		assert.Equal(t, writers*each/2, sold)
		for _, p := range ps {
			assert.ErrorIs(t, add(ctx, p, "stock", "late", -1), errShort)
			require.NoError(t, p.Close(ctx))
		}
		fresh := start(t, "contention", commitlog.Options{})
		defer fresh.Close(ctx)
		s, seq, err := fresh.Get(ctx, "stock")
		require.NoError(t, err)
		assert.Equal(t, int64(0), s.Sum)
		assert.Equal(t, uint64(writers*each/2+1), seq)
	})

	t.Run("history is read backwards in pages", func(t *testing.T) {
		t.Parallel()
		p := start(t, "history", commitlog.Options{})
		defer p.Close(ctx)
		for i := range 10 {
			require.NoError(t, add(ctx, p, "c", fmt.Sprint(i), 1))
			require.NoError(t, add(ctx, p, "other", fmt.Sprint(i), 1))
		}
		_, err := p.Do(ctx, []string{"c"}, func(tx *commitlog.Tx[Counter]) error {
			for i := range 5 { // a page ends within this commit
				tx.Emit("c", "added", added{Key: fmt.Sprint("more", i), N: 1})
			}
			return nil
		})
		require.NoError(t, err)
		for name, read := range map[string]func(last commitlog.Event) ([]commitlog.Event, error){
			"by number": func(last commitlog.Event) ([]commitlog.Event, error) { return p.History(ctx, "c", last.Seq, 3) },
			"by place": func(last commitlog.Event) ([]commitlog.Event, error) {
				return p.HistoryBefore(ctx, "c", last.Mark(), 3)
			},
		} {
			var seqs []uint64
			for last := (commitlog.Event{}); ; {
				page, err := read(last)
				require.NoError(t, err)
				if len(page) == 0 {
					break
				}
				for _, e := range page {
					seqs = append(seqs, e.Seq)
				}
				last = page[len(page)-1]
			}
			assert.Equal(t, []uint64{15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, seqs, name)
		}
		beyond, err := p.HistoryBefore(ctx, "c", commitlog.Mark{Seq: 3, Commit: 1000}, 3)
		require.NoError(t, err)
		assert.Len(t, beyond, 2, "a place that is not in the log is looked for")
	})

	t.Run("many clients share commits", func(t *testing.T) {
		t.Parallel()
		p := start(t, "group", commitlog.Options{Patience: 20 * time.Second})
		defer p.Close(ctx)
		// While one command keeps the writer busy, the others gather.
		var wg sync.WaitGroup
		busy, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		wg.Go(func() {
			_, err := p.Do(ctx, []string{"first"}, func(*commitlog.Tx[Counter]) error {
				once.Do(func() { close(busy) })
				<-release
				return nil
			})
			assert.NoError(t, err)
		})
		<-busy
		var arrived sync.WaitGroup
		for i := range 200 {
			arrived.Add(1)
			wg.Go(func() {
				arrived.Done()
				assert.NoError(t, add(ctx, p, fmt.Sprint("c", i), "k", 1))
			})
		}
		arrived.Wait()
		close(release)
		wg.Wait()
		assert.Less(t, p.Head(), uint64(200))
	})

	t.Run("everything is published in order, and again from the cursor after a restart", func(t *testing.T) {
		t.Parallel()
		p := start(t, "publish", commitlog.Options{})
		rec := &recorder{got: make(chan string, 100)}
		publishing, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		done.Go(func() { p.Publish(publishing, rec, "topic") })
		for i := range 20 {
			require.NoError(t, add(ctx, p, "c", fmt.Sprint(i), 1))
		}
		for i := range 20 {
			assert.Equal(t, fmt.Sprintf("test/publish/%d/0", i+1), rec.next(t))
		}
		stop()
		done.Wait()
		require.NoError(t, p.Close(ctx))
		p = start(t, "publish", commitlog.Options{})
		defer p.Close(ctx)
		publishing, stop = context.WithCancel(ctx)
		done.Go(func() { p.Publish(publishing, rec, "topic") })
		require.NoError(t, add(ctx, p, "c", "last", 1))
		assert.Equal(t, "test/publish/21/0", rec.next(t), "nothing that was published before a clean end comes again")
		stop()
		done.Wait()
	})
}

type recorder struct{ got chan string }

func (r *recorder) Publish(_ context.Context, _ string, messages []sidecar.Message) error {
	for _, m := range messages {
		var e struct{ ID string }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return err
		}
		r.got <- e.ID
	}
	return nil
}

func (r *recorder) next(t *testing.T) string {
	t.Helper()
	select {
	case id := <-r.got:
		return id
	case <-time.After(10 * time.Second):
		t.Fatal("nothing published")
		return ""
	}
}
