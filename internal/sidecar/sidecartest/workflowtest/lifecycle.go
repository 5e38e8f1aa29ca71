package workflowtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

func startsOnce(t *testing.T, e Engine, r *recorder) {
	status, err := e.Status(t.Context(), "once")
	require.NoError(t, err)
	require.Equal(t, sidecar.Absent, status)
	start(t, e, "wait", "once", input{Wait: time.Hour})
	status, err = e.Status(t.Context(), "once")
	require.NoError(t, err)
	require.Equal(t, sidecar.Running, status)
	require.ErrorIs(t, e.Start(t.Context(), "wait", "once", input{Text: "other"}), sidecar.ErrExists)
	require.NoError(t, e.Raise(t.Context(), "once", "go"))
	require.Equal(t, []string{`[true,0]`}, r.waitForNotes(t, "once", 1))
	waitForStatus(t, e, "once", sidecar.Completed)
	require.ErrorIs(t, e.Start(t.Context(), "wait", "once", input{Text: "other"}), sidecar.ErrExists)
	require.Len(t, r.waitForNotes(t, "once", 1), 1)
}

func startContention(t *testing.T, e Engine, r *recorder) {
	const n = 20
	var wg sync.WaitGroup
	release, errs := make(chan struct{}), make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-release
			errs[i] = e.Start(t.Context(), "wait", "contended", input{Wait: time.Hour})
		})
	}
	close(release)
	wg.Wait()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else {
			require.ErrorIs(t, err, sidecar.ErrExists)
		}
	}
	require.Equal(t, 1, succeeded)
	require.NoError(t, e.Raise(t.Context(), "contended", "go"))
	r.waitForNotes(t, "contended", 1)
	waitForStatus(t, e, "contended", sidecar.Completed)
	require.Len(t, r.waitForNotes(t, "contended", 1), 1)
}

func fails(t *testing.T, e Engine, _ *recorder) {
	start(t, e, "fail", "fail-error", input{})
	start(t, e, "fail", "fail-panic", input{Text: "panic"})
	start(t, e, "not-registered", "fail-unknown", input{})
	for _, id := range []string{"fail-error", "fail-panic", "fail-unknown"} {
		waitForStatus(t, e, id, sidecar.Failed)
		require.ErrorIs(t, e.Raise(t.Context(), id, "go"), sidecar.ErrNotRunning)
		require.ErrorIs(t, e.Start(t.Context(), "fail", id, input{}), sidecar.ErrExists)
	}
}

func purge(t *testing.T, e Engine, r *recorder) {
	require.NoError(t, e.Purge(t.Context(), "purge"))
	start(t, e, "wait", "purge", input{Wait: time.Hour})
	require.ErrorIs(t, e.Purge(t.Context(), "purge"), sidecar.ErrExists)
	require.NoError(t, e.Raise(t.Context(), "purge", "go"))
	waitForStatus(t, e, "purge", sidecar.Completed)
	require.NoError(t, e.Purge(t.Context(), "purge"))
	waitForStatus(t, e, "purge", sidecar.Absent)
	require.ErrorIs(t, e.Raise(t.Context(), "purge", "go"), sidecar.ErrNotRunning)
	start(t, e, "wait", "purge", input{})
	require.Equal(t, []string{`[true,0]`, `[false,0]`}, r.waitForNotes(t, "purge", 2))
}

func eventNeedsRunningInstance(t *testing.T, e Engine, r *recorder) {
	require.ErrorIs(t, e.Raise(t.Context(), "unknown", "go"), sidecar.ErrNotRunning)
	start(t, e, "wait", "gone", input{})
	waitForStatus(t, e, "gone", sidecar.Completed)
	require.ErrorIs(t, e.Raise(t.Context(), "gone", "go"), sidecar.ErrNotRunning)
	require.Len(t, r.waitForNotes(t, "gone", 1), 1)
}

func manyInstances(t *testing.T, e Engine, r *recorder) {
	const n = 60
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("many-%d", i)
			assert.EventuallyWithT(t, func(c *assert.CollectT) { // a call may time out on a busy machine
				if err := e.Start(t.Context(), "wait", id, input{Wait: time.Hour}); !errors.Is(err, sidecar.ErrExists) {
					assert.NoError(c, err)
				}
			}, timeout, 10*time.Millisecond)
			assert.EventuallyWithT(t, func(c *assert.CollectT) {
				if err := e.Raise(t.Context(), id, "go"); !errors.Is(err, sidecar.ErrNotRunning) {
					assert.NoError(c, err)
				}
			}, timeout, 10*time.Millisecond)
		})
	}
	wg.Wait()
	for i := range n {
		require.Equal(t, []string{`[true,0]`}, r.waitForNotes(t, fmt.Sprintf("many-%d", i), 1))
		waitForStatus(t, e, fmt.Sprintf("many-%d", i), sidecar.Completed)
	}
}

func endedContext(t *testing.T, e Engine, _ *recorder) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, e.Start(ctx, "wait", "ended", input{}))
	require.Error(t, e.Raise(ctx, "ended", "go"))
	require.Error(t, e.Purge(ctx, "ended"))
	_, err := e.Status(ctx, "ended")
	require.Error(t, err)
}

// survivesCrash crashes a process while one instance runs an activity, one waits for an event, one waits for its
// timeout, and one retries an activity.
func survivesCrash(t *testing.T, e Engine, r *recorder, process string, crash func(t *testing.T)) {
	id := func(s string) string { return fmt.Sprintf("crash-%s-%s", strings.ReplaceAll(process, " ", "-"), s) }
	start(t, e, "gate", id("busy"), input{})
	start(t, e, "wait", id("waits"), input{Wait: time.Hour, Rounds: 1})
	start(t, e, "wait", id("sleeps"), input{Wait: 700 * time.Millisecond})
	start(t, e, "retry", id("retries"), input{Failures: 4})
	require.NoError(t, e.Raise(t.Context(), id("waits"), "go"))
	r.waitForNotes(t, id("waits"), 1)
	r.until(t, "the activity", func() bool { return r.attempts[id("busy")] > 0 })
	require.NoError(t, e.Raise(t.Context(), id("busy"), "go"))

	crash(t)

	close(r.gate(id("busy")))
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the process may need a moment to answer
		require.NoError(c, e.Raise(t.Context(), id("waits"), "go"))
	}, timeout, 50*time.Millisecond)
	r.waitForNote(t, id("busy"), `[true,false]`) // the note may exist twice
	r.waitForNote(t, id("waits"), `[true,1]`)
	r.waitForNote(t, id("sleeps"), `[false,0]`)
	r.waitForNotes(t, id("retries"), 1)
	for _, s := range []string{"busy", "waits", "sleeps", "retries"} {
		waitForStatus(t, e, id(s), sidecar.Completed)
	}
}
