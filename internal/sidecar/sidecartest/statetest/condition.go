package statetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

func putIf(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	old := put(t, s, k, "1")
	require.NoError(t, s.Put(ctx, k, []byte("2"), old.ETag))
	require.ErrorIs(t, s.Put(ctx, k, []byte("3"), old.ETag), sidecar.ErrStale)
	now := get(t, s, k)
	require.Equal(t, "2", string(now.Value))
}

func create(t *testing.T, s sidecar.State) {
	k, ctx := key(t, "k"), t.Context()
	require.NoError(t, s.Create(ctx, k, []byte("first")))
	require.ErrorIs(t, s.Create(ctx, k, []byte("second")), sidecar.ErrExists)
	require.Equal(t, "first", string(get(t, s, k).Value))
	require.NoError(t, s.Delete(ctx, k, ""))
	require.NoError(t, s.Create(ctx, k, []byte("third")))
}

func putManyIf(t *testing.T, s sidecar.State) {
	ctx := t.Context()
	a, b := put(t, s, key(t, "a"), "1"), put(t, s, key(t, "b"), "1")
	a.Value, b.Value = []byte("2"), []byte("2")
	fresh := sidecar.Item{Key: key(t, "c"), Value: []byte("2")}
	require.NoError(t, s.PutManyIf(ctx, []sidecar.Item{a, b, fresh}))
	for _, name := range []string{"a", "b", "c"} {
		require.Equal(t, "2", string(get(t, s, key(t, name)).Value))
	}
	now := get(t, s, key(t, "b"))
	now.Value = []byte("3")
	assert.Error(t, s.PutManyIf(ctx, []sidecar.Item{a, now}), "a is stale")
	assert.Equal(t, "2", string(get(t, s, key(t, "a")).Value), "the changed value stays")
	assert.Error(t, s.PutManyIf(ctx, []sidecar.Item{fresh}), "c exists")
	assert.Equal(t, "2", string(get(t, s, key(t, "c")).Value))
}

// contend runs twenty workers at the same moment and returns the one that succeeded; the others must fail with lost.
func contend(t *testing.T, lost error, work func(worker int) error) int {
	t.Helper()
	const workers = 20
	start := make(chan struct{})
	errs := make([]error, workers)
	var wait sync.WaitGroup
	for i := range workers {
		wait.Go(func() {
			<-start
			errs[i] = work(i)
		})
	}
	close(start)
	wait.Wait()
	winner := -1
	for i, err := range errs {
		if err == nil {
			require.Equal(t, -1, winner, "two winners")
			winner = i
			continue
		}
		require.ErrorIs(t, err, lost)
	}
	require.NotEqual(t, -1, winner, "no winner")
	return winner
}

func createContention(t *testing.T, s sidecar.State) {
	for round := range 5 {
		k := key(t, fmt.Sprint(round))
		winner := contend(t, sidecar.ErrExists, func(i int) error {
			return s.Create(t.Context(), k, fmt.Append(nil, "worker", i))
		})
		require.Equal(t, fmt.Sprint("worker", winner), string(get(t, s, k).Value))
	}
}

func putContention(t *testing.T, s sidecar.State) {
	k := key(t, "k")
	for range 5 {
		etag := put(t, s, k, "start").ETag
		winner := contend(t, sidecar.ErrStale, func(i int) error {
			return s.Put(t.Context(), k, fmt.Append(nil, "worker", i), etag)
		})
		require.Equal(t, fmt.Sprint("worker", winner), string(get(t, s, k).Value))
	}
}
