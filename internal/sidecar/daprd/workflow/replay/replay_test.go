package replay

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

const (
	statusCompleted = protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED
	statusFailed    = protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED
	statusRestarted = protos.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW
)

// run replays fn over a history whose last turn is new, and returns the actions that the engine must perform.
func run(t *testing.T, fn sidecar.Workflow, h *history) []*protos.WorkflowAction {
	t.Helper()
	last := len(h.events) - 1
	for h.events[last].GetWorkflowStarted() == nil {
		last--
	}
	res := Run(t.Context(), "id", map[string]sidecar.Workflow{"w": fn}, &protos.WorkflowRequest{
		InstanceId: "id:of-the-engine", PastEvents: h.events[:last:last], NewEvents: h.events[last:],
	})
	require.Equal(t, "id:of-the-engine", res.GetInstanceId())
	return res.GetActions()
}

// runOne is run for a replay that requests one action.
func runOne(t *testing.T, fn sidecar.Workflow, h *history) *protos.WorkflowAction {
	t.Helper()
	actions := run(t, fn, h)
	require.Len(t, actions, 1)
	return actions[0]
}

// waitThenCall waits for the event "go" n times, then calls the activity "done".
func waitThenCall(n int) sidecar.Workflow {
	return func(w sidecar.WorkflowContext) error {
		for range n {
			if got, err := w.Wait("go", time.Hour); err != nil || !got {
				return errors.Join(err, errors.New("no event"))
			}
		}
		return w.Call("done", nil, nil, sidecar.RetryPolicy{})
	}
}

// The engine cancels the timer of a wait that has received its event, unless the timer fires at that moment or two
// events come at once. In the second case the timer is not even stored yet.
func TestTimerOfAnEarlierWaitDoesNotEndALaterOne(t *testing.T) {
	t.Parallel()
	first := func() *history { return started("w", "null").actions(timerOfWait(0, "go")) }
	for name, h := range map[string]*history{
		"it fires before the next event": first().turn(raised("go")).actions(timerOfWait(1, "go")).turn(fired(0)).
			turn(raised("go")),
		"it fires with the next event": first().turn(raised("go")).actions(timerOfWait(1, "go")).
			turn(fired(0), raised("go")),
		"it fires with its own event": first().turn(raised("go"), fired(0)).actions(timerOfWait(1, "go")).
			turn(raised("go")),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "done", runOne(t, waitThenCall(2), h).GetScheduleTask().GetName())
		})
	}
	t.Run("its wait has ended in the turn that created it", func(t *testing.T) {
		h := first().turn(raised("go"), raised("go")).actions(timerOfWait(1, "go"), timerOfWait(2, "go")).
			turn(fired(1)).turn(raised("go"))
		require.Equal(t, "done", runOne(t, waitThenCall(3), h).GetScheduleTask().GetName())
	})
}

func TestReplayThatDiffersFromTheHistoryRestarts(t *testing.T) {
	t.Parallel()
	call := func(w sidecar.WorkflowContext) error { return w.Call("b", nil, nil, sidecar.RetryPolicy{}) }
	end := func(sidecar.WorkflowContext) error { return nil }
	begun := func() *history { return started("w", `"in"`) }
	for name, c := range map[string]struct {
		fn sidecar.Workflow
		h  *history
	}{
		"it requests another activity": {
			call, begun().actions(scheduled(0, "a")).turn(completed(0, "null"), raised("go")),
		},
		"it requests an activity instead of a timer": {
			call, begun().actions(timerOfWait(0, "go")).turn(raised("go")),
		},
		"it ends instead of requesting an action": {
			end, begun().actions(timerOfWait(0, "go")).turn(raised("go")),
		},
		"the history has a gap": {
			waitThenCall(1), begun().actions(timerOfWait(1, "go")).turn(raised("go")),
		},
		"it differs in a later step": {
			waitThenCall(2), begun().actions(timerOfWait(0, "go")).turn(raised("go")).actions(scheduled(1, "a")).
				turn(completed(1, "null")),
		},
	} {
		t.Run(name, func(t *testing.T) {
			end := runOne(t, c.fn, c.h).GetCompleteWorkflow()
			require.Equal(t, statusRestarted, end.GetWorkflowStatus())
			require.Equal(t, `"in"`, end.GetResult().GetValue())
			require.Len(t, end.GetCarryoverEvents(), 1)
		})
	}
}

func TestErrorOrPanicOfTheFunctionFailsTheInstance(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]sidecar.Workflow{
		"error":          func(sidecar.WorkflowContext) error { return errors.New("refused") },
		"panic":          func(sidecar.WorkflowContext) error { panic("a bug") },
		"not registered": nil,
	} {
		t.Run(name, func(t *testing.T) {
			end := runOne(t, fn, started("w", "null")).GetCompleteWorkflow()
			require.Equal(t, statusFailed, end.GetWorkflowStatus())
			require.NotEmpty(t, end.GetFailureDetails().GetErrorMessage())
		})
	}
}

func TestFunctionSeesTheIDThatTheInstanceWasStartedWith(t *testing.T) {
	t.Parallel()
	seen := ""
	runOne(t, func(w sidecar.WorkflowContext) error { seen = w.ID(); return nil }, started("w", "null"))
	require.Equal(t, "id", seen)
}

// The engine may store a result before its action: see reorder.
func TestResultThatIsStoredBeforeItsActionIsUsed(t *testing.T) {
	t.Parallel()
	fn := func(w sidecar.WorkflowContext) error {
		if _, err := w.Wait("go", time.Second); err != nil {
			return err
		}
		var got int
		if err := w.Call("a", nil, &got, sidecar.RetryPolicy{}); err != nil || got != 7 {
			return errors.Join(err, errors.New("another result"))
		}
		return w.Call("b", nil, nil, sidecar.RetryPolicy{})
	}
	first := func() *history { return started("w", "null").actions(timerOfWait(0, "go")) }
	early := func() *history { return first().turn(completed(1, "7"), fired(0)) }
	t.Run("in a later replay", func(t *testing.T) {
		h := early().actions(scheduled(1, "a"), scheduled(2, "b")).turn(completed(2, "null"))
		require.Equal(t, statusCompleted, runOne(t, fn, h).GetCompleteWorkflow().GetWorkflowStatus())
	})
	for name, h := range map[string]*history{
		"by an instance that is stuck": early().actions(scheduled(1, "a")).turn(raised("go")),
		"among events": first().turn(raised("other"), completed(1, "7"), fired(0)).actions(scheduled(1, "a")).
			turn(raised("other")),
		"beside results of other kinds with its number": first().turn(fired(1), fired(0)).actions(scheduled(1, "a")).
			turn(fired(1), raised("other"), completed(1, "7"), fired(2)),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "b", runOne(t, fn, h).GetScheduleTask().GetName())
		})
	}
	t.Run("for a timer", func(t *testing.T) {
		h := started("w", "null").turn(fired(0)).actions(timerOfWait(0, "go")).turn(raised("other"))
		require.Equal(t, "a", runOne(t, fn, h).GetScheduleTask().GetName())
	})
	t.Run("not for an action of another kind", func(t *testing.T) {
		h := first().turn(fired(1), fired(0))
		require.Equal(t, "a", runOne(t, fn, h).GetScheduleTask().GetName())
	})
	t.Run("in the replay that requests the action", func(t *testing.T) {
		actions := run(t, fn, early())
		require.Len(t, actions, 2, "the engine has the result of a, and must store that a was requested")
		require.Equal(t, "a", actions[0].GetScheduleTask().GetName())
		require.Equal(t, "b", actions[1].GetScheduleTask().GetName())
	})
}

func TestFailedActivityIsTriedAgainInTheHistoryThenInAChildWorkflow(t *testing.T) {
	t.Parallel()
	fn := func(w sidecar.WorkflowContext) error {
		return w.Call("a", "input", nil, sidecar.RetryPolicy{First: time.Second})
	}
	h := started("w", "null")
	for i := range int32(attemptsPerHistory) {
		require.Equal(t, "a", runOne(t, fn, h).GetScheduleTask().GetName())
		h.actions(scheduled(2*i, "a")).turn(failed(2*i, fmt.Sprintf("attempt %d", i+1)))
		require.NotNil(t, runOne(t, fn, h).GetCreateTimer())
		h.actions(&protos.HistoryEvent{EventId: 2*i + 1, EventType: &protos.HistoryEvent_TimerCreated{
			TimerCreated: &protos.TimerCreatedEvent{},
		}}).turn(fired(2*i + 1))
	}
	child := runOne(t, fn, h).GetCreateChildWorkflow()
	require.Equal(t, retryName, child.GetName())
	require.JSONEq(t, `{"activity":"a","input":"input","failed":8,
		"policy":{"First":1000000000,"Backoff":0,"Max":0,"Attempts":0}}`, child.GetInput().GetValue())

	retry := started(retryName, child.GetInput().GetValue())
	require.Equal(t, "a", runOne(t, nil, retry).GetScheduleTask().GetName())
}

func TestLastFailureOfAnActivityReachesTheFunction(t *testing.T) {
	t.Parallel()
	var got error
	fn := func(w sidecar.WorkflowContext) error {
		got = w.Call("a", nil, nil, sidecar.RetryPolicy{Attempts: 1})
		return nil
	}
	end := runOne(t, fn, started("w", "null").actions(scheduled(0, "a")).turn(failed(0, "refused")))
	require.Equal(t, statusCompleted, end.GetCompleteWorkflow().GetWorkflowStatus())
	require.EqualError(t, got, "activity a: refused")
}
