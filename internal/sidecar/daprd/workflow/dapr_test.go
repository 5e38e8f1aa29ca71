package workflow_test

import (
	"context"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd/workflow"
)

// This test shows what the engine of Dapr 1.18.1 does without the precautions of Adapter.Start and Adapter.Raise. If it
// fails after an upgrade, a precaution may no longer be needed. See the package documentation.
func TestEngineWithoutTheAdapter(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	e := startEngine(t)
	e.startWorker(t, workflow.Options{}, func(h sidecar.WorkflowHost) {
		h.Workflow("short", func(sidecar.WorkflowContext) error { return nil })
		h.Workflow("long", func(w sidecar.WorkflowContext) error { _, err := w.Wait("never", time.Hour); return err })
		h.Workflow("busy", func(sidecar.WorkflowContext) error { <-gate; return nil })
	})
	workflows := e.caller(workflow.Options{})
	raw := protos.NewTaskHubSidecarServiceClient(e.client.Conn())
	end := func(t *testing.T, id string) {
		t.Helper()
		require.NoError(t, workflows.Start(t.Context(), "short", id, nil))
		requireStatus(t, workflows, id, sidecar.Completed)
	}
	t.Run("a start replaces an instance that has ended", func(t *testing.T) {
		end(t, "replaced")
		_, err := raw.StartInstance(t.Context(), &protos.CreateInstanceRequest{
			InstanceId: "replaced", Name: "long", ScheduledStartTimestamp: timestamppb.Now(),
		})
		require.NoError(t, err)
		requireStatus(t, workflows, "replaced", sidecar.Running)
	})
	t.Run("an instance that has ended accepts events", func(t *testing.T) {
		end(t, "ended")
		_, err := raw.RaiseEvent(t.Context(), &protos.RaiseEventRequest{InstanceId: "ended", Name: "go"})
		require.NoError(t, err)
	})
	t.Run("a start without a time waits until the function has run", func(t *testing.T) {
		defer close(gate)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := raw.StartInstance(ctx, &protos.CreateInstanceRequest{InstanceId: "busy", Name: "busy"})
		require.Equal(t, codes.DeadlineExceeded, status.Code(err))
		require.NoError(t, workflows.Start(t.Context(), "busy", "busy-too", nil))
	})
}

func requireStatus(t *testing.T, w sidecar.Workflows, id string, want sidecar.WorkflowStatus) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got, err := w.Status(t.Context(), id)
		require.NoError(c, err)
		require.Equal(c, want, got)
	}, time.Minute, 10*time.Millisecond)
}
