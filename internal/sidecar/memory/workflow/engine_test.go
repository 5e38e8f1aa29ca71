package workflow_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory/workflow"
	"haberdash/internal/sidecar/sidecartest/workflowtest"
)

// running returns an engine that runs until the end of the test.
func running(t *testing.T, register func(sidecar.WorkflowHost)) *workflow.Engine {
	t.Helper()
	e := workflow.New()
	register(e)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return e
}

func TestWorkflows(t *testing.T) {
	t.Parallel()
	workflowtest.TestWorkflows(t, func(t *testing.T, register func(sidecar.WorkflowHost)) workflowtest.Engine {
		e := running(t, register)
		return workflowtest.Engine{Workflows: e, Crashes: map[string]func(*testing.T){
			"the worker": func(*testing.T) { e.Crash() },
		}}
	})
}

func TestAdvanceEndsWaitsAndRetries(t *testing.T) {
	t.Parallel()
	attempts := make(chan bool) // whether the attempt fails
	e := running(t, func(h sidecar.WorkflowHost) {
		h.Activity("once", func(context.Context, json.RawMessage) (any, error) {
			if fail := <-attempts; fail {
				return nil, context.DeadlineExceeded
			}
			return nil, nil
		})
		h.Workflow("month", func(w sidecar.WorkflowContext) error {
			if err := w.Call("once", nil, nil, sidecar.RetryPolicy{First: time.Hour}); err != nil {
				return err
			}
			_, err := w.Wait("never", 30*24*time.Hour)
			return err
		})
	})
	require.NoError(t, e.Start(t.Context(), "month", "m", nil))
	attempts <- true
	for retried := false; !retried; {
		e.Advance(time.Hour) // repeatedly, because the engine may not have recorded the failure yet
		select {
		case attempts <- false:
			retried = true
		case <-time.After(time.Millisecond):
		}
	}
	require.Eventually(t, func() bool {
		e.Advance(30 * 24 * time.Hour)
		status, err := e.Status(t.Context(), "m")
		return err == nil && status == sidecar.Completed
	}, 10*time.Second, time.Millisecond)
}

func TestFunctionThatIsNotDeterministicFails(t *testing.T) {
	t.Parallel()
	runs := 0
	e := running(t, func(h sidecar.WorkflowHost) {
		h.Activity("a", func(context.Context, json.RawMessage) (any, error) { return nil, nil })
		h.Activity("b", func(context.Context, json.RawMessage) (any, error) { return nil, nil })
		h.Workflow("other-action", func(w sidecar.WorkflowContext) error {
			runs++
			return w.Call(map[bool]string{true: "a", false: "b"}[runs == 1], nil, nil, sidecar.RetryPolicy{})
		})
		h.Workflow("no-action", func(w sidecar.WorkflowContext) error {
			if runs++; runs > 3 {
				return nil
			}
			return w.Call("a", nil, nil, sidecar.RetryPolicy{})
		})
	})
	for _, name := range []string{"other-action", "no-action"} {
		require.NoError(t, e.Start(t.Context(), name, name, nil))
		require.Eventually(t, func() bool { return e.Failure(name) != nil }, 10*time.Second, time.Millisecond)
		require.ErrorContains(t, e.Failure(name), "not deterministic")
	}
}
