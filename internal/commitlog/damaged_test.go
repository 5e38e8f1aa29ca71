package commitlog_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar/memory"
)

// checkpointed is a store whose documents have the text "1" of each aggregate, and the process that wrote them.
func checkpointed(t *testing.T, ids ...string) (*memory.State, *commitlog.Partition[string]) {
	store := memory.NewState()
	p := openTexts(t, store, commitlog.Options{CheckpointEvery: time.Hour})
	for _, id := range ids {
		write(t, p, id, "1")
	}
	_, err := p.Audit(t.Context()) // writes a checkpoint
	require.NoError(t, err)
	return store, p
}

func damage(t *testing.T, store *memory.State, id string) {
	require.NoError(t, store.Put(t.Context(), "doc/p/"+id, []byte("{"), ""))
}

// A command whose aggregate cannot be read fails alone, not with those that are decided together with it.
func TestADamagedDocumentFailsOnlyItsOwnCommands(t *testing.T) {
	t.Parallel()
	store, first := checkpointed(t, "bad", "good")
	require.NoError(t, first.Close(t.Context()))
	damage(t, store, "bad")
	p := openTexts(t, store, commitlog.Options{CheckpointEvery: time.Hour})
	defer p.Close(context.Background())
	decided, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var waiting sync.WaitGroup
	waiting.Go(func() { // the next commands collect meanwhile
		_, err := p.Do(t.Context(), nil, func(*commitlog.Tx[string]) error {
			once.Do(func() { close(decided) })
			<-proceed
			return nil
		})
		assert.NoError(t, err)
	})
	<-decided
	const commands = 20
	var queued sync.WaitGroup
	for i := range commands {
		queued.Add(1)
		waiting.Go(func() {
			id := []string{"bad", "good"}[i%2]
			queued.Done()
			_, err := p.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[string]) error {
				tx.Emit(id, "written", "2")
				return nil
			})
			if id == "bad" {
				assert.ErrorIs(t, err, commitlog.ErrCorrupt)
			} else {
				assert.NoError(t, err)
			}
		})
	}
	queued.Wait()
	close(proceed)
	waiting.Wait()
	state, _, err := p.Get(t.Context(), "good")
	require.NoError(t, err)
	assert.Equal(t, "12222222222", state)
}

// A replica that reads a commit of another one about an aggregate with a damaged document makes the aggregate from its
// events, and goes on.
func TestADamagedDocumentDoesNotStopAReplica(t *testing.T) {
	t.Parallel()
	store, first := checkpointed(t, "a", "b")
	defer first.Close(context.Background())
	other := openTexts(t, store, commitlog.Options{CheckpointEvery: time.Hour})
	defer other.Close(context.Background())
	damage(t, store, "a")
	write(t, first, "a", "2")
	write(t, first, "b", "2")
	require.NoError(t, other.CatchUp(t.Context()))
	for _, id := range []string{"a", "b"} {
		state, seq, err := other.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, []any{"12", uint64(2)}, []any{state, seq})
	}
	_, err := other.Audit(t.Context())
	require.NoError(t, err)
	item, err := store.Get(t.Context(), "doc/p/a")
	require.NoError(t, err)
	assert.JSONEq(t, `{"n":3,"s":2,"v":"12"}`, string(item.Value), "the checkpoint has mended the document")
}
