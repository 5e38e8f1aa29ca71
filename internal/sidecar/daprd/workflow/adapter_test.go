package workflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd/workflow"
	"haberdash/internal/sidecar/sidecartest/workflowtest"
)

func TestWorkflows(t *testing.T) {
	t.Parallel()
	whole := t // a worker outlives the subtest that starts it
	workflowtest.TestWorkflows(t, func(t *testing.T, register func(sidecar.WorkflowHost)) workflowtest.Engine {
		e := startEngine(t)
		w := e.startWorker(t, workflow.Options{}, register)
		restart := func(p interface {
			Kill()
			Restart(context.Context) error
		}) func(*testing.T) {
			return func(t *testing.T) {
				p.Kill()
				require.NoError(t, p.Restart(t.Context()))
			}
		}
		return workflowtest.Engine{Workflows: e.caller(workflow.Options{}), Crashes: map[string]func(*testing.T){
			"the app": func(t *testing.T) {
				require.NoError(t, w.kill())
				w = e.startWorker(whole, workflow.Options{}, register)
			},
			"the sidecar":   restart(e.sidecar),
			"the scheduler": restart(e.control.Scheduler),
			"placement":     restart(e.control.Placement),
		}}
	})
}

// Without Adapter.Healthy, an app that is killed while workflows wait for dispatch leaves the engine in a deadlock.
func TestWorkflowsSurviveAnAppThatIsKilledRepeatedly(t *testing.T) {
	t.Parallel()
	const n, kills = 30, 3
	var steps atomic.Int64
	register := func(h sidecar.WorkflowHost) {
		h.Activity("step", func(context.Context, json.RawMessage) (any, error) { return steps.Add(1), nil })
		h.Workflow("steps", func(w sidecar.WorkflowContext) error {
			for range 5 {
				if err := w.Call("step", nil, nil, sidecar.RetryPolicy{First: 10 * time.Millisecond}); err != nil {
					return err
				}
				if _, err := w.Wait("go", 50*time.Millisecond); err != nil {
					return err
				}
				if end, err := w.Wait("end", 0); err != nil || end {
					return err
				}
			}
			w.ContinueAsNew(nil)
			return nil
		})
	}
	e := startEngine(t)
	w := e.startWorker(t, workflow.Options{}, register)
	workflows := e.caller(workflow.Options{})
	id := func(i int) string { return fmt.Sprintf("s-%d", i) }
	for i := range n { // on a busy machine a call may time out: its outcome is then unknown, and a caller repeats it
		require.Eventually(t, func() bool {
			err := workflows.Start(t.Context(), "steps", id(i), nil)
			return err == nil || errors.Is(err, sidecar.ErrExists)
		}, time.Minute, 20*time.Millisecond)
	}
	ctx, stopRaising := context.WithCancel(t.Context())
	var raisers sync.WaitGroup
	for k := range 2 { // two, so that several turns of one workflow queue up
		raisers.Go(func() {
			for i := k; ctx.Err() == nil; i = (i + 2) % n {
				_ = workflows.Raise(ctx, id(i), "go")
			}
		})
	}
	requireProgress := func() {
		before := steps.Load()
		require.Eventually(t, func() bool { return steps.Load() > before+5 }, time.Minute, 10*time.Millisecond)
	}
	for range kills {
		requireProgress()
		require.NoError(t, w.kill())
		w = e.startWorker(t, workflow.Options{}, register)
	}
	requireProgress()
	stopRaising()
	raisers.Wait()
	for i := range n {
		raised := false
		require.Eventually(t, func() bool {
			status, err := workflows.Status(t.Context(), id(i))
			if status == sidecar.Absent && err == nil { // its state is corrupt: see Adapter.find
				t.Log("starting again:", id(i))
				raised, err = false, workflows.Start(t.Context(), "steps", id(i), nil)
			}
			if !raised && err == nil {
				raised = workflows.Raise(t.Context(), id(i), "end") == nil
			}
			return status == sidecar.Completed
		}, 2*time.Minute, 20*time.Millisecond, id(i))
	}
}
