package daprd

import (
	"errors"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
)

// past makes histories as the engine writes them.
type past struct {
	at     time.Time
	events []*protos.HistoryEvent
}

func started(name, input string) *past {
	p := &past{at: time.Unix(1_700_000_000, 0).UTC()}
	return p.news(&protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_ExecutionStarted{
		ExecutionStarted: &protos.ExecutionStartedEvent{Name: name, Input: wrapperspb.String(input)},
	}})
}

// news is what the function is run for, a second after what was before.
func (p *past) news(events ...*protos.HistoryEvent) *past {
	p.at = p.at.Add(time.Second)
	begin := &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_WorkflowStarted{WorkflowStarted: &protos.WorkflowStartedEvent{}}}
	return p.add(append([]*protos.HistoryEvent{begin}, events...)...)
}

// add is what the function asked for.
func (p *past) add(events ...*protos.HistoryEvent) *past {
	for _, e := range events {
		e.Timestamp = timestamppb.New(p.at)
		p.events = append(p.events, e)
	}
	return p
}

func raised(event string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_EventRaised{EventRaised: &protos.EventRaisedEvent{Name: event}}}
}

func armed(id int32, event string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: id, EventType: &protos.HistoryEvent_TimerCreated{TimerCreated: &protos.TimerCreatedEvent{
		Name: &event, Origin: &protos.TimerCreatedEvent_ExternalEvent{ExternalEvent: &protos.TimerOriginExternalEvent{Name: event}},
	}}}
}

func fired(id int32) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_TimerFired{TimerFired: &protos.TimerFiredEvent{TimerId: id}}}
}

func scheduled(id int32, activity string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: id, EventType: &protos.HistoryEvent_TaskScheduled{TaskScheduled: &protos.TaskScheduledEvent{Name: activity}}}
}

func done(id int32, result string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_TaskCompleted{
		TaskCompleted: &protos.TaskCompletedEvent{TaskScheduledId: id, Result: wrapperspb.String(result)},
	}}
}

// replayed runs fn over a history, the last news of which is new, and gives the one thing that it asks for.
func replayed(t *testing.T, fn sidecar.Workflow, p *past) *protos.WorkflowAction {
	t.Helper()
	w := &Workflows{workflows: map[string]sidecar.Workflow{"w": fn}}
	fresh := len(p.events) - 1
	for p.events[fresh].GetWorkflowStarted() == nil {
		fresh--
	}
	res := (&worker{Workflows: w}).replay(t.Context(), &protos.WorkflowRequest{
		InstanceId: "id", PastEvents: p.events[:fresh:fresh], NewEvents: p.events[fresh:],
	})
	require.Equal(t, "id", res.GetInstanceId())
	require.Len(t, res.GetActions(), 1)
	return res.GetActions()[0]
}

// waits is done when the event has come so often.
func waits(n int) sidecar.Workflow {
	return func(w sidecar.WorkflowContext) error {
		for range n {
			if got, err := w.Wait("go", time.Hour); err != nil || !got {
				return errors.Join(err, errors.New("no event"))
			}
		}
		return w.Call("done", nil, nil, sidecar.RetryPolicy{})
	}
}

// The engine cancels the timer of a wait that has got its event, unless it fires at that moment, or two
// events come at once (then it is not even stored yet).
func TestTimerOfAnEarlierWaitDoesNotDisturb(t *testing.T) {
	t.Parallel()
	first := func() *past { return started("w", "null").add(armed(0, "go")) }
	for name, history := range map[string]*past{
		"fired before the next event": first().news(raised("go")).add(armed(1, "go")).news(fired(0)).news(raised("go")),
		"fired with the next event":   first().news(raised("go")).add(armed(1, "go")).news(fired(0), raised("go")),
		"fired with its own event":    first().news(raised("go"), fired(0)).add(armed(1, "go")).news(raised("go")),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, "done", replayed(t, waits(2), history).GetScheduleTask().GetName())
		})
	}
	t.Run("armed and done with at once", func(t *testing.T) {
		history := first().news(raised("go"), raised("go")).add(armed(1, "go"), armed(2, "go")).news(fired(1)).news(raised("go"))
		require.Equal(t, "done", replayed(t, waits(3), history).GetScheduleTask().GetName())
	})
}

func TestReplayThatGoesAnotherWayStartsOver(t *testing.T) {
	t.Parallel()
	call := func(w sidecar.WorkflowContext) error { return w.Call("b", nil, nil, sidecar.RetryPolicy{}) }
	end := func(sidecar.WorkflowContext) error { return nil }
	for name, c := range map[string]struct {
		fn      sidecar.Workflow
		history *past
	}{
		"another activity":   {call, started("w", `"in"`).add(scheduled(0, "a")).news(done(0, "null"), raised("go"))},
		"another step":       {call, started("w", `"in"`).add(armed(0, "go")).news(raised("go"))},
		"none where one was": {end, started("w", `"in"`).add(armed(0, "go")).news(raised("go"))},
		"a muddled history":  {waits(1), started("w", `"in"`).add(armed(1, "go")).news(raised("go"))},
		"another way later":  {waits(2), started("w", `"in"`).add(armed(0, "go")).news(raised("go")).add(scheduled(1, "a")).news(done(1, "null"))},
	} {
		t.Run(name, func(t *testing.T) {
			again := replayed(t, c.fn, c.history).GetCompleteWorkflow()
			require.Equal(t, protos.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW, again.GetWorkflowStatus())
			require.Equal(t, `"in"`, again.GetResult().GetValue())
			require.Len(t, again.GetCarryoverEvents(), 1)
		})
	}
}

func TestWorkflowsOwnErrorsEndIt(t *testing.T) {
	t.Parallel()
	for name, fn := range map[string]sidecar.Workflow{
		"an error": func(sidecar.WorkflowContext) error { return errors.New("as it likes") },
		"a panic":  func(sidecar.WorkflowContext) error { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			end := replayed(t, fn, started("w", "null")).GetCompleteWorkflow()
			require.Equal(t, protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED, end.GetWorkflowStatus())
			require.NotEmpty(t, end.GetFailureDetails().GetErrorMessage())
		})
	}
}

// A result may be stored before what it is the result of: see inOrder.
func TestResultsThatComeTooEarlyAreNotLost(t *testing.T) {
	t.Parallel()
	late := func(w sidecar.WorkflowContext) error {
		if _, err := w.Wait("go", time.Second); err != nil {
			return err
		}
		var got int
		if err := w.Call("a", nil, &got, sidecar.RetryPolicy{}); err != nil || got != 7 {
			return errors.Join(err, errors.New("another result"))
		}
		return w.Call("b", nil, nil, sidecar.RetryPolicy{})
	}
	first := func() *past { return started("w", "null").add(armed(0, "go")) }
	for name, history := range map[string]*past{
		"in a later replay":     first().news(done(1, "7"), fired(0)).add(scheduled(1, "a"), scheduled(2, "b")).news(done(2, "null")),
		"after it was stuck":    first().news(done(1, "7"), fired(0)).add(scheduled(1, "a")).news(raised("go")),
		"and again with events": first().news(raised("other"), done(1, "7"), fired(0)).add(scheduled(1, "a")).news(raised("other")),
	} {
		t.Run(name, func(t *testing.T) {
			asked := replayed(t, late, history)
			if name == "in a later replay" {
				require.Equal(t, protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, asked.GetCompleteWorkflow().GetWorkflowStatus())
			} else {
				require.Equal(t, "b", asked.GetScheduleTask().GetName())
			}
		})
	}
	t.Run("a timer's", func(t *testing.T) {
		p := started("w", "null").news(fired(0)).add(armed(0, "go")).news(raised("other"))
		require.Equal(t, "a", replayed(t, late, p).GetScheduleTask().GetName())
	})
	t.Run("of something else", func(t *testing.T) {
		p := first().news(fired(1), fired(0)).add(scheduled(1, "a")).news(fired(1), raised("other"), done(1, "7"), fired(2))
		require.Equal(t, "b", replayed(t, late, p).GetScheduleTask().GetName())
		p = first().news(fired(1), fired(0))
		require.Equal(t, "a", replayed(t, late, p).GetScheduleTask().GetName(), "and is not taken for its result")
	})
	t.Run("in the same replay", func(t *testing.T) {
		p := first().news(done(1, "7"), fired(0))
		w := &worker{Workflows: &Workflows{workflows: map[string]sidecar.Workflow{"w": late}}}
		var names []string
		for _, a := range w.replay(t.Context(), &protos.WorkflowRequest{InstanceId: "id", NewEvents: p.events}).GetActions() {
			names = append(names, a.GetScheduleTask().GetName())
		}
		require.Equal(t, []string{"a", "b"}, names, "the engine knows that it has a's result")
	})
}
