package replay

import (
	"slices"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/dapr/durabletask-go/backend"
	"github.com/dapr/durabletask-go/task"
	"github.com/stretchr/testify/require"
)

// The tests of this file show what is wrong with durabletask-go v0.12.1, without any code of this package. If one of
// them fails after an upgrade, the code that its comment names may no longer be needed. See the documentation of
// package workflow.

// library replays fn with the library alone.
func library(t *testing.T, fn task.Workflow, h *history) []*protos.WorkflowAction {
	t.Helper()
	registry := task.NewTaskRegistry()
	require.NoError(t, registry.AddWorkflowN("w", fn))
	res, err := task.NewTaskExecutor(registry).ExecuteWorkflow(t.Context(), "id", nil, h.events, backend.ExecuteOptions{})
	require.NoError(t, err)
	return res.GetActions()
}

// Reason for reorder.
func TestLibraryIgnoresAResultThatIsStoredBeforeItsAction(t *testing.T) {
	t.Parallel()
	fn := func(c *task.WorkflowContext) (any, error) {
		if err := c.CreateTimer(time.Second).Await(nil); err != nil {
			return nil, err
		}
		return nil, c.CallActivity("a").Await(nil)
	}
	timer := &protos.HistoryEvent{EventId: 0, EventType: &protos.HistoryEvent_TimerCreated{
		TimerCreated: &protos.TimerCreatedEvent{},
	}}
	h := started("w", "null").actions(timer).turn(completed(1, "null"), fired(0)).actions(scheduled(1, "a")).
		turn(raised("other"))
	require.Empty(t, library(t, fn, h), "the workflow does not end: it waits for a result that it has")
}

// Reason for replayContext.disarm.
func TestLibraryLosesAWaitToTheTimerOfAnEarlierWait(t *testing.T) {
	t.Parallel()
	fn := func(c *task.WorkflowContext) (any, error) {
		for range 2 {
			if err := c.WaitForSingleEvent("go", time.Hour).Await(nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	h := started("w", "null").actions(timerOfWait(0, "go")).turn(raised("go")).actions(timerOfWait(1, "go")).
		turn(fired(0)).turn(raised("go"))
	require.Empty(t, library(t, fn, h), "the workflow does not end: it waits for an event that it has")
}

// Reason for replayContext.request.
func TestLibraryGivesAnActivityTheResultOfAnother(t *testing.T) {
	t.Parallel()
	got := ""
	fn := func(c *task.WorkflowContext) (any, error) { return nil, c.CallActivity("b").Await(&got) }
	library(t, fn, started("w", "null").actions(scheduled(0, "a")).turn(completed(0, `"the result of a"`)))
	require.Equal(t, "the result of a", got)
}

// Reason for divergence and restart.
func TestLibraryFailsAWorkflowWhoseReplayDiffersFromTheHistory(t *testing.T) {
	t.Parallel()
	fn := func(c *task.WorkflowContext) (any, error) { return nil, c.CallActivity("b").Await(nil) }
	actions := library(t, fn, started("w", "null").actions(timerOfWait(0, "go")).turn(raised("go")))
	require.True(t, slices.ContainsFunc(actions, func(a *protos.WorkflowAction) bool {
		return a.GetCompleteWorkflow().GetWorkflowStatus() == statusFailed
	}))
}

// Reason for recoverPanic.
func TestLibraryDoesNotRecoverAPanicOfTheFunction(t *testing.T) {
	t.Parallel()
	fn := func(*task.WorkflowContext) (any, error) { panic("a bug") }
	require.PanicsWithValue(t, "a bug", func() { library(t, fn, started("w", "null")) })
}

// Reason for the sorting in Run.
func TestLibraryReturnsActionsInRandomOrder(t *testing.T) {
	t.Parallel()
	fn := func(c *task.WorkflowContext) (any, error) {
		for range 8 {
			c.CallActivity("a")
		}
		return nil, nil
	}
	sorted := func() bool {
		return slices.IsSortedFunc(library(t, fn, started("w", "null")), func(a, b *protos.WorkflowAction) int {
			return int(a.GetId() - b.GetId())
		})
	}
	for range 100 {
		if !sorted() {
			return
		}
	}
	t.Error("the actions were sorted 100 times")
}
