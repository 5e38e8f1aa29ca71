package logtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
)

func (s suite) testRestart(t *testing.T) {
	ctx := t.Context()
	p := s.open(t, "restart", commitlog.Options{CheckpointEvery: 5 * time.Millisecond})
	for i := range 40 {
		require.NoError(t, add(ctx, p, fmt.Sprint("c", i%7), fmt.Sprint(i), int64(i)))
	}
	want := map[string]Counter{}
	for i := range 7 {
		state, _, err := p.Get(ctx, fmt.Sprint("c", i))
		require.NoError(t, err)
		want[fmt.Sprint("c", i)] = state
	}
	require.NoError(t, p.Close(ctx))
	for _, resident := range []bool{false, true} {
		p = s.open(t, "restart", commitlog.Options{Resident: resident})
		for id, state := range want {
			got, _, err := p.Get(ctx, id)
			require.NoError(t, err)
			assert.Equal(t, state, got, "%s, resident %v", id, resident)
		}
		require.NoError(t, p.Close(ctx))
	}
}

func (s suite) testRefusedCommand(t *testing.T) {
	ctx := t.Context()
	p := s.open(t, "refused", commitlog.Options{})
	defer p.Close(ctx)
	require.NoError(t, add(ctx, p, "c", "one", 1))
	require.ErrorIs(t, add(ctx, p, "c", "two", -2), errNegative)
	state, seq, err := p.Get(ctx, "c")
	require.NoError(t, err)
	assert.Equal(t, int64(1), state.Sum)
	assert.Equal(t, uint64(1), seq)
}

func (s suite) testContention(t *testing.T) {
	const writers, each = 4, 25
	ctx := t.Context()
	var partitions []*commitlog.Partition[Counter]
	for range writers {
		partitions = append(partitions, s.open(t, "contention", commitlog.Options{Patience: 20 * time.Second}))
	}
	require.NoError(t, add(ctx, partitions[0], "stock", "receive", writers*each/2))
	release := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	sold := 0
	for w, p := range partitions {
		for i := range each {
			wg.Go(func() {
				<-release
				err := add(ctx, p, "stock", fmt.Sprintf("%d-%d", w, i), -1)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					sold++
				} else {
					assert.ErrorIs(t, err, errNegative)
				}
			})
		}
	}
	close(release)
	wg.Wait()
	assert.Equal(t, writers*each/2, sold)
	for _, p := range partitions {
		assert.ErrorIs(t, add(ctx, p, "stock", "late", -1), errNegative)
		require.NoError(t, p.Close(ctx))
	}
	restarted := s.open(t, "contention", commitlog.Options{})
	defer restarted.Close(ctx)
	state, seq, err := restarted.Get(ctx, "stock")
	require.NoError(t, err)
	assert.Equal(t, int64(0), state.Sum)
	assert.Equal(t, uint64(writers*each/2+1), seq)
}

func (s suite) testGroupCommit(t *testing.T) {
	ctx := t.Context()
	p := s.open(t, "group", commitlog.Options{Patience: 20 * time.Second})
	defer p.Close(ctx)
	// While one command keeps the writer busy, the others collect in the queue.
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
	var started sync.WaitGroup
	for i := range 200 {
		started.Add(1)
		wg.Go(func() {
			started.Done()
			assert.NoError(t, add(ctx, p, fmt.Sprint("c", i), "k", 1))
		})
	}
	started.Wait()
	close(release)
	wg.Wait()
	assert.Less(t, p.Head(), uint64(200))
}

func (s suite) testHistory(t *testing.T) {
	ctx := t.Context()
	p := s.open(t, "history", commitlog.Options{})
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
		"by sequence number": func(last commitlog.Event) ([]commitlog.Event, error) {
			return p.History(ctx, "c", last.Seq, 3)
		},
		"by mark": func(last commitlog.Event) ([]commitlog.Event, error) {
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
	page, err := p.HistoryBefore(ctx, "c", commitlog.Mark{Seq: 3, Commit: 1000}, 3)
	require.NoError(t, err)
	assert.Len(t, page, 2, "a mark whose commit is not in the log is searched for by its sequence number")
}
