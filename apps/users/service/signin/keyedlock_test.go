package signin

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
)

func TestOneHolderOfAKeyAtATime(t *testing.T) {
	t.Parallel()
	var l keyedLock
	start := make(chan struct{})
	var done sync.WaitGroup
	var holders atomic.Int64
	for range 20 {
		done.Go(func() {
			<-start
			unlock, err := l.Lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return
			}
			if holders.Add(1) != 1 {
				t.Error("two holders at once")
			}
			holders.Add(-1)
			unlock()
		})
	}
	close(start)
	done.Wait()
	require.Empty(t, l.locks, "keys that nobody uses are forgotten")
}

func TestAWaitForAKeyEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	var l keyedLock
	unlock, err := l.Lock(t.Context(), "a")
	require.NoError(t, err)
	unlockOther, err := l.Lock(t.Context(), "b")
	require.NoError(t, err, "another key is free")
	unlockOther()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Lock(ctx, "a")
	require.True(t, fault.Is(err, "unavailable"))
	unlock()
	require.Empty(t, l.locks)
}
