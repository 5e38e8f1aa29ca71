package logtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
)

// testReadsAtTheEnd reads with a process that looks at the log only when it is asked.
func (s suite) testReadsAtTheEnd(t *testing.T) {
	ctx := t.Context()
	writer := s.open(t, "reads", commitlog.Options{})
	defer writer.Close(ctx)
	reader := s.open(t, "reads", commitlog.Options{SyncEvery: time.Hour})
	defer reader.Close(ctx)
	for i := range 10 {
		id := fmt.Sprint("c", i%3)
		require.NoError(t, add(ctx, writer, id, fmt.Sprint(i), 1))
		got, seq, err := reader.Get(ctx, id)
		require.NoError(t, err)
		assert.Len(t, got.Keys, int(seq))
		assert.Equal(t, fmt.Sprint(i), got.Keys[len(got.Keys)-1])

		require.NoError(t, add(ctx, writer, id, fmt.Sprint("many", i), 1))
		many, err := reader.GetMany(ctx, []string{id, "none"})
		require.NoError(t, err)
		assert.Len(t, many, 1)
		assert.Equal(t, int64(len(got.Keys)+1), many[id].State.Sum)

		require.NoError(t, add(ctx, writer, id, fmt.Sprint("recent", i), 1))
		behind, seq, err := reader.Recent(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, many[id], commitlog.Current[Counter]{State: behind, Seq: seq}, "Recent asks the store")
		require.NoError(t, reader.CatchUp(ctx))
		recent, err := reader.RecentMany(ctx, []string{id, "none"})
		require.NoError(t, err)
		assert.Equal(t, seq+1, recent[id].Seq)
	}
	require.NoError(t, add(ctx, writer, "new", "first", 1))
	_, seq, err := reader.Recent(ctx, "new")
	require.NoError(t, err)
	assert.Equal(t, uint64(1), seq, "a missing aggregate is missing at the end of the log")
}
