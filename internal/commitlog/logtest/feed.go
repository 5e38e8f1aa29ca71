package logtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// testFeed reads a log from every position, page by page, and after the last event that this process knows.
func (s suite) testFeed(t *testing.T) {
	head := s.fillLog(t, "feed")
	p := s.open(t, "feed", commitlog.Options{SyncEvery: time.Hour})
	defer p.Close(t.Context())
	for from := uint64(1); from <= head+1; from++ {
		page, err := p.Feed(t.Context(), from, 2)
		require.NoError(t, err)
		assert.Equal(t, min(from+2, head+1), page.Next)
		assert.Equal(t, head, page.Head)
		requireConsecutive(t, from, page)
	}
	for next := uint64(1); next <= head; {
		page, err := p.Feed(t.Context(), next, 7)
		require.NoError(t, err)
		requireConsecutive(t, next, page)
		require.Greater(t, page.Next, next)
		next = page.Next
	}
	zero, err := p.Feed(t.Context(), 0, 1)
	require.NoError(t, err)
	requireConsecutive(t, 1, zero)

	other := s.open(t, "feed", commitlog.Options{})
	defer other.Close(t.Context())
	for i := range 3 {
		require.NoError(t, add(t.Context(), other, "late", fmt.Sprint(i), 1))
	}
	page, err := p.Feed(t.Context(), head+1, 2)
	require.NoError(t, err)
	requireConsecutive(t, head+1, page)
	assert.Len(t, page.Events, 2, "events that another process has just committed")
	page, err = p.Feed(t.Context(), page.Next, 2)
	require.NoError(t, err)
	assert.Equal(t, contract.FeedPage{Events: page.Events[:1], Next: head + 4, Head: head + 3}, page)
}

func requireConsecutive(t *testing.T, from uint64, page contract.FeedPage) {
	t.Helper()
	for i, e := range page.Events {
		require.Equal(t, from+uint64(i), e.Position)
	}
	require.Equal(t, from+uint64(len(page.Events)), page.Next)
	require.NotNil(t, page.Events)
}
