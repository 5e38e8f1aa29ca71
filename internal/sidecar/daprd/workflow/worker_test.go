package workflow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd/workflow"
)

func TestWorkerLimitsActivitiesAndDrainsThem(t *testing.T) {
	t.Parallel()
	const limit, n = 3, 12
	var running, most, finished atomic.Int64
	begun, gate := make(chan struct{}, n), make(chan struct{})
	register := func(h sidecar.WorkflowHost) {
		h.Activity("slow", func(ctx context.Context, _ json.RawMessage) (any, error) {
			now := running.Add(1)
			defer running.Add(-1)
			for before := most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
			}
			begun <- struct{}{}
			select {
			case <-gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			finished.Add(1)
			return nil, nil
		})
		h.Workflow("slow", func(w sidecar.WorkflowContext) error {
			return w.Call("slow", nil, nil, sidecar.RetryPolicy{})
		})
	}
	e := startEngine(t)
	w := e.startWorker(t, workflow.Options{Activities: limit, Drain: time.Minute}, register)
	workflows := e.caller(workflow.Options{})
	id := func(i int) string { return fmt.Sprintf("slow-%d", i) }
	for i := range n {
		require.NoError(t, workflows.Start(t.Context(), "slow", id(i), nil))
	}
	for range limit {
		<-begun
	}

	w.stop() // the activities under way finish; a few more may begin meanwhile
	close(gate)
	require.NoError(t, w.end())
	require.GreaterOrEqual(t, finished.Load(), int64(limit))
	require.EqualValues(t, limit, most.Load())

	e.startWorker(t, workflow.Options{Activities: limit}, register)
	for i := range n {
		require.Eventually(t, func() bool {
			status, err := workflows.Status(t.Context(), id(i))
			return err == nil && status == sidecar.Completed
		}, time.Minute, 20*time.Millisecond, id(i))
	}
	require.GreaterOrEqual(t, finished.Load(), int64(n))
	require.LessOrEqual(t, most.Load(), int64(limit))
}
