package daprd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

func TestWorkerBoundsAndDrains(t *testing.T) {
	t.Parallel()
	const bound, n = 3, 12
	var running, most, done atomic.Int64
	begun, gate := make(chan struct{}, n), make(chan struct{})
	register := func(h sidecar.WorkflowHost) {
		h.Activity("slow", func(ctx context.Context, _ json.RawMessage) (any, error) {
			now := running.Add(1)
			defer running.Add(-1)
			for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
			}
			begun <- struct{}{}
			select {
			case <-gate:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			done.Add(1)
			return nil, nil
		})
		h.Workflow("slow", func(w sidecar.WorkflowContext) error {
			return w.Call("slow", nil, nil, sidecar.RetryPolicy{})
		})
	}
	e := startEngine(t)
	a := e.work(t, daprd.WorkflowOptions{Activities: bound, Drain: time.Minute}, register)
	workflows := e.client.Workflows(daprd.WorkflowOptions{})
	id := func(i int) string { return fmt.Sprintf("slow-%d", i) }
	for i := range n {
		require.NoError(t, workflows.Start(t.Context(), "slow", id(i), nil))
	}
	for range bound {
		<-begun
	}

	a.stop() // what is under way ends and counts; how much more is begun meanwhile depends
	close(gate)
	require.NoError(t, a.end())
	require.GreaterOrEqual(t, done.Load(), int64(bound))
	require.EqualValues(t, bound, most.Load())

	e.work(t, daprd.WorkflowOptions{Activities: bound}, register)
	for i := range n {
		require.Eventually(t, func() bool {
			status, err := workflows.Status(t.Context(), id(i))
			return err == nil && status == sidecar.Completed
		}, time.Minute, 20*time.Millisecond, id(i))
	}
	require.GreaterOrEqual(t, done.Load(), int64(n))
	require.LessOrEqual(t, most.Load(), int64(bound))
}
