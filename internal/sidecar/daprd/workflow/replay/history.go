package replay

import (
	"slices"

	"github.com/dapr/durabletask-go/api/protos"
)

// The kinds of actions that a workflow's function can request.
const (
	activityKind = "activity"
	timerKind    = "timer"
	workflowKind = "workflow"
)

// action is an action that a workflow's function requests. The engine numbers the actions of an instance and records
// each in the history.
type action struct {
	kind string
	name string // of the activity, the awaited event or the child workflow; empty for other timers
}

// String implements fmt.Stringer.
func (a action) String() string { return a.kind + " " + a.name }

// result is the event that reports the result of the action with this number.
type result struct {
	number int32
	kind   string
	event  *protos.HistoryEvent
}

// reorder returns the events of a history in an order that can be replayed: each result stands behind its action.
//
// The engine dispatches activities and timers before it stores that it did. If it breaks off between the two, the
// result may be stored before the action. The engine does not dispatch the action again, because it has the result;
// but the library skips a result for which no action is pending, and would wait for it forever.
//
// Results whose action is missing come back as early, because this replay may request the action. Each of them reserves
// one place at the end of ordered, where placeholder stands: replayContext.request fills it. The function may request
// another action under that number: then the placeholder stays.
func reorder(past, fresh []*protos.HistoryEvent) (ordered []*protos.HistoryEvent, early []result) {
	all := slices.Concat(past, fresh)
	recordedAt := map[int32]int{} // index in all of the action with this number
	for i, e := range all {
		if _, ok := actionOf(e); ok {
			recordedAt[e.GetEventId()] = i
		}
	}
	moved := map[int][]*protos.HistoryEvent{} // results to be placed behind the action at this index
	for i, e := range all {
		if r, ok := resultOf(e); ok {
			at, ok := recordedAt[r.number]
			if !ok {
				early = append(early, r)
				continue
			}
			if recorded, _ := actionOf(all[at]); recorded.kind != r.kind {
				continue // the result of an action that was dispatched, but never stored
			}
			if at > i {
				moved[at] = append(moved[at], e)
				continue
			}
		}
		ordered = append(ordered, e)
		ordered = append(ordered, moved[i]...)
	}
	for range early {
		ordered = append(ordered, placeholder)
	}
	return ordered, early
}

// placeholder is an event that the library ignores.
var placeholder = &protos.HistoryEvent{
	EventType: &protos.HistoryEvent_ExecutionStalled{ExecutionStalled: &protos.ExecutionStalledEvent{}},
}

// actionOf returns the action that an event records; ok is false for other events.
func actionOf(e *protos.HistoryEvent) (a action, ok bool) {
	if t := e.GetTaskScheduled(); t != nil {
		return action{activityKind, t.GetName()}, true
	}
	if t := e.GetTimerCreated(); t != nil {
		return action{timerKind, t.GetName()}, true
	}
	if w := e.GetChildWorkflowInstanceCreated(); w != nil {
		return action{workflowKind, w.GetName()}, true
	}
	return action{}, false
}

// resultOf returns the result that an event reports; ok is false for other events.
func resultOf(e *protos.HistoryEvent) (r result, ok bool) {
	switch {
	case e.GetTaskCompleted() != nil:
		return result{e.GetTaskCompleted().GetTaskScheduledId(), activityKind, e}, true
	case e.GetTaskFailed() != nil:
		return result{e.GetTaskFailed().GetTaskScheduledId(), activityKind, e}, true
	case e.GetTimerFired() != nil:
		return result{e.GetTimerFired().GetTimerId(), timerKind, e}, true
	case e.GetChildWorkflowInstanceCompleted() != nil:
		return result{e.GetChildWorkflowInstanceCompleted().GetTaskScheduledId(), workflowKind, e}, true
	case e.GetChildWorkflowInstanceFailed() != nil:
		return result{e.GetChildWorkflowInstanceFailed().GetTaskScheduledId(), workflowKind, e}, true
	}
	return result{}, false
}
