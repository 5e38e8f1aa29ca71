package logtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// publishing fills a log: writers in contention publish some of their events, over two lives of the log.
// It returns how many were published.
func (s suite) publishing(t *testing.T, name string) uint64 {
	const lives, writers, each = 2, 3, 15
	for life := range lives {
		var wg sync.WaitGroup
		for w := range writers {
			p := s.start(t, name, commitlog.Options{Patience: 20 * time.Second, CheckpointEvery: 5 * time.Millisecond})
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprint("c", i%4)
					_, err := p.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[Counter]) error {
						tx.Note(id, "noted", added{})
						for range (life + w + i) % 3 { // 1 on average
							tx.Emit(id, "added", added{N: 1})
							tx.Note(id, "noted", added{})
						}
						return nil
					})
					assert.NoError(t, err)
				}
				assert.NoError(t, p.Close(t.Context()))
			})
		}
		wg.Wait()
	}
	return lives * writers * each
}

func (s suite) positions(t *testing.T) {
	want := s.publishing(t, "positions")
	for _, resident := range []bool{false, true} {
		p := s.start(t, "positions", commitlog.Options{Resident: resident})
		defer p.Close(t.Context())
		assert.Equal(t, want, p.Published())
		next := uint64(1)
		for n := uint64(1); n <= p.Head(); n++ {
			commits, err := p.Read(t.Context(), n, 1)
			require.NoError(t, err)
			for _, e := range commits[0].Published("test", "positions") {
				assert.Equal(t, next, e.Position)
				assert.Equal(t, "added", e.Type)
				next++
			}
		}
		assert.Equal(t, want, next-1)
	}
}

// feeds reads a log by position: from every one, page by page, and beyond what this process knows of.
func (s suite) feeds(t *testing.T) {
	head := s.publishing(t, "feed")
	p := s.start(t, "feed", commitlog.Options{SyncEvery: time.Hour})
	defer p.Close(t.Context())
	for from := uint64(1); from <= head+1; from++ {
		page, err := p.Feed(t.Context(), from, 2)
		require.NoError(t, err)
		assert.Equal(t, min(from+2, head+1), page.Next)
		assert.Equal(t, head, page.Head)
		consecutive(t, from, page)
	}
	all := uint64(1)
	for all <= head {
		page, err := p.Feed(t.Context(), all, 7)
		require.NoError(t, err)
		consecutive(t, all, page)
		require.Greater(t, page.Next, all)
		all = page.Next
	}
	zero, err := p.Feed(t.Context(), 0, 1)
	require.NoError(t, err)
	consecutive(t, 1, zero)

	other := s.start(t, "feed", commitlog.Options{})
	defer other.Close(t.Context())
	for i := range 3 {
		require.NoError(t, add(t.Context(), other, "late", fmt.Sprint(i), 1))
	}
	page, err := p.Feed(t.Context(), head+1, 2)
	require.NoError(t, err)
	consecutive(t, head+1, page)
	assert.Len(t, page.Events, 2, "what another process has just committed")
	page, err = p.Feed(t.Context(), page.Next, 2)
	require.NoError(t, err)
	assert.Equal(t, contract.FeedPage{Events: page.Events[:1], Next: head + 4, Head: head + 3}, page)
}

func consecutive(t *testing.T, from uint64, page contract.FeedPage) {
	t.Helper()
	for i, e := range page.Events {
		assert.Equal(t, from+uint64(i), e.Position)
	}
	assert.Equal(t, from+uint64(len(page.Events)), page.Next)
	assert.NotNil(t, page.Events)
}
