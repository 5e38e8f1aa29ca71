package sidecar_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

type counter struct{ N int }

func increment(c *counter, _ bool) (bool, error) { c.N++; return true, nil }

func TestUpdateLosesNoChangeOfConcurrentWriters(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	start := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			<-start
			update := sidecar.Update[counter]
			if i%2 == 0 {
				update = sidecar.UpdateNew[counter]
			}
			_, err := update(t.Context(), state, "k", increment)
			require.NoError(t, err)
		})
	}
	close(start)
	writers.Wait()
	var c counter
	_, err := sidecar.ReadJSON(t.Context(), state, "k", &c)
	require.NoError(t, err)
	require.Equal(t, 20, c.N)
}

func TestUpdateWritesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	refusal := errors.New("refused")
	_, err := sidecar.Update(t.Context(), state, "k", func(c *counter, found bool) (bool, error) {
		require.False(t, found)
		c.N = 7
		return false, refusal
	})
	require.ErrorIs(t, err, refusal)
	item, err := state.Get(t.Context(), "k")
	require.NoError(t, err)
	require.False(t, item.Found())

	got, err := sidecar.Update(t.Context(), state, "k", func(c *counter, _ bool) (bool, error) {
		c.N = 8
		return true, refusal
	})
	require.ErrorIs(t, err, refusal, "returned after the write")
	require.Equal(t, 8, got.N)
	got, err = sidecar.Update(t.Context(), state, "k", func(c *counter, found bool) (bool, error) { return false, nil })
	require.NoError(t, err)
	require.Equal(t, 8, got.N)
}

func TestUpdateNamesADocumentThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	require.NoError(t, state.Put(t.Context(), "k", []byte("["), ""))
	_, err := sidecar.Update(t.Context(), state, "k", increment)
	require.ErrorIs(t, err, sidecar.ErrCorrupt)
	require.ErrorContains(t, err, "k")
}

// contended is a store in which another writer is always faster.
type contended struct {
	*memory.State
	writes int
}

func (c *contended) Put(context.Context, string, []byte, string, ...sidecar.PutOption) error {
	c.writes++
	return sidecar.ErrStale
}

func TestUpdateGivesUpAfterManyConflicts(t *testing.T) {
	t.Parallel()
	state := &contended{State: memory.NewState()}
	require.NoError(t, state.Create(t.Context(), "k", []byte("{}")))
	_, err := sidecar.Update(t.Context(), state, "k", increment)
	require.Equal(t, fault.Unavailable, fault.Of(err).Kind)
	require.ErrorIs(t, err, sidecar.ErrStale)
	require.Equal(t, 25, state.writes)
}
