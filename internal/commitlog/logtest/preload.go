package logtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// testPreload preloads aggregates while commands change them, on two replicas that evict them at once.
func (s suite) testPreload(t *testing.T) {
	o := commitlog.Options{
		Patience: 20 * time.Second, Warm: 1, CheckpointEvery: 2 * time.Millisecond, SyncEvery: 5 * time.Millisecond,
	}
	ctx := t.Context()
	other := sidecar.Item{Key: "beside-preloaded", Value: []byte("x")}
	require.NoError(t, s.store.Put(ctx, other.Key, other.Value, ""))
	replicas := []*commitlog.Partition[Counter]{s.open(t, "preloaded", o), s.open(t, "preloaded", o)}
	const ids, rounds = 4, 15
	var work sync.WaitGroup
	for r, p := range replicas {
		for i := range ids {
			work.Go(func() {
				id := fmt.Sprint("c", i)
				for n := range rounds {
					items, err := p.Preload(ctx, []string{id, fmt.Sprint("c", (i+1)%ids), "never"}, other.Key, "missing")
					if err != nil || len(items) != 1 || string(items[other.Key].Value) != "x" {
						t.Errorf("preload: %v %v", items, err)
					}
					if err := add(ctx, p, id, fmt.Sprint(r, "-", n), 1); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	work.Wait()
	for _, p := range replicas {
		require.NoError(t, p.Close(context.Background()))
	}
	p := s.open(t, "preloaded", o)
	defer p.Close(context.Background())
	for i := range ids {
		sum, _, err := p.Get(ctx, fmt.Sprint("c", i))
		require.NoError(t, err)
		require.EqualValues(t, len(replicas)*rounds, sum.Sum)
		require.Len(t, sum.Keys, len(replicas)*rounds)
	}
}
