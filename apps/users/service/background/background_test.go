package background

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
)

func TestTasksOutliveTheRequestAndAreAwaited(t *testing.T) {
	t.Parallel()
	tasks := New()
	request, cancel := context.WithCancel(t.Context())
	proceed := make(chan struct{})
	var failed error
	require.NoError(t, tasks.Go(request, "test", func(ctx context.Context) error {
		<-proceed
		failed = ctx.Err()
		return nil
	}))
	cancel()
	short, end := context.WithTimeout(t.Context(), time.Millisecond)
	defer end()
	require.ErrorIs(t, tasks.Wait(short), context.DeadlineExceeded)
	close(proceed)
	require.NoError(t, tasks.Wait(t.Context()))
	require.NoError(t, failed)
}

func TestTheNumberOfTasksIsLimited(t *testing.T) {
	t.Parallel()
	tasks := New()
	proceed := make(chan struct{})
	wait := func(context.Context) error { <-proceed; return nil }
	for range maxTasks {
		require.NoError(t, tasks.Go(t.Context(), "test", wait))
	}
	err := tasks.Go(t.Context(), "test", wait)
	require.True(t, fault.Is(err, "unavailable"))
	require.Positive(t, fault.Of(err).RetryAfter)
	close(proceed)
	require.NoError(t, tasks.Wait(t.Context()))
	require.NoError(t, tasks.Go(t.Context(), "test", wait))
	require.NoError(t, tasks.Wait(t.Context()))
}
