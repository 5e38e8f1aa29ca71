package commitlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// countingStore counts the keys that are read, and the items that are written together.
type countingStore struct {
	*memory.State
	read, written int
}

func (s *countingStore) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	s.read += len(keys)
	return s.State.GetMany(ctx, keys)
}

func (s *countingStore) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	s.written += len(items)
	return s.State.PutManyIf(ctx, items)
}

func openCounting(t *testing.T, store *countingStore) *Partition[int] {
	p, err := Open(t.Context(), store, "test", "p",
		Model[int]{Apply: func(_ string, n int, _ Event) (int, error) { return n + 1, nil }},
		Options{CheckpointEvery: time.Hour, SyncEvery: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// Of two replicas one writes the documents. The other one reads its checkpoint, and takes over when it writes no more.
func TestOneReplicaWritesTheDocuments(t *testing.T) {
	t.Parallel()
	store := &countingStore{State: memory.NewState()}
	writer, other := openCounting(t, store), openCounting(t, store)
	const documents = 100
	for round := range 3 {
		for i := range documents {
			_, err := writer.Do(t.Context(), []string{fmt.Sprint(i)}, func(tx *Tx[int]) error {
				tx.Emit(fmt.Sprint(i), "counted", nil)
				return nil
			})
			require.NoError(t, err)
		}
		require.NoError(t, other.CatchUp(t.Context()))
		require.True(t, other.hasDirty())
		store.written = 0
		require.NoError(t, writer.checkpointInTurn(t.Context()))
		require.Equal(t, documents, store.written)
		store.read, store.written = 0, 0
		require.NoError(t, other.checkpointInTurn(t.Context()))
		assert.Equal(t, []int{2, 0}, []int{store.read, store.written}, "round %d: it adopts the checkpoint", round)
		require.False(t, other.hasDirty())
	}
	_, err := writer.Do(t.Context(), []string{"0"}, func(tx *Tx[int]) error {
		tx.Emit("0", "counted", nil)
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, other.CatchUp(t.Context()))
	store.written = 0
	for range deferredTicks {
		require.NoError(t, other.checkpointInTurn(t.Context()))
	}
	require.Equal(t, 1, store.written, "it takes over")
	require.NoError(t, writer.checkpointInTurn(t.Context()))
	require.Equal(t, 1, store.written)
	require.False(t, writer.hasDirty())
}
