package daprd

import (
	"slices"

	"github.com/dapr/durabletask-go/api/protos"
)

// Kinds of what a workflow asks for.
const (
	anActivity = "activity "
	aTimer     = "timer "
	aWorkflow  = "workflow "
)

// result is the event that answers what was asked for under a number.
type result struct {
	number int32
	kind   string
	event  *protos.HistoryEvent
}

// inOrder gives a history in an order that can be replayed: no result before what it is the result of.
//
// The engine hands out activities and timers before it stores that it did. When the turn is cut off between
// the two, the result may be stored first. The engine then does not hand the same out again, for the result
// is there; but a replay passes over a result that nothing waits for yet, and would wait for it for ever.
// Results that may be asked for in this replay are set aside: each has its place at the end, where nothing
// is before. What was asked for under that number may be something else by then: see history.ask.
func inOrder(past, fresh []*protos.HistoryEvent) (ordered []*protos.HistoryEvent, aside []result) {
	all := slices.Concat(past, fresh)
	asked := map[int32]int{} // where each number was asked for
	for i, e := range all {
		if askedFor(e) != "" {
			asked[e.GetEventId()] = i
		}
	}
	early := map[int][]*protos.HistoryEvent{} // results that belong behind this place
	for i, e := range all {
		if r, ok := resultOf(e); ok {
			at, ok := asked[r.number]
			switch {
			case !ok:
				aside = append(aside, r)
				continue
			case kindOf(all[at]) != r.kind: // of a turn that was cut off and went another way
				continue
			case at > i:
				early[at] = append(early[at], e)
				continue
			}
		}
		ordered = append(ordered, e)
		ordered = append(ordered, early[i]...)
	}
	for range aside {
		ordered = append(ordered, nothing)
	}
	return ordered, aside
}

// nothing replays as nothing.
var nothing = &protos.HistoryEvent{EventType: &protos.HistoryEvent_ExecutionStalled{ExecutionStalled: &protos.ExecutionStalledEvent{}}}

// askedFor tells what an event says was asked for; empty for other events.
func askedFor(e *protos.HistoryEvent) string {
	if t := e.GetTaskScheduled(); t != nil {
		return anActivity + t.GetName()
	}
	if t := e.GetTimerCreated(); t != nil {
		return aTimer + t.GetName()
	}
	if c := e.GetChildWorkflowInstanceCreated(); c != nil {
		return aWorkflow + c.GetName()
	}
	return ""
}

func kindOf(e *protos.HistoryEvent) string {
	switch {
	case e.GetTaskScheduled() != nil:
		return anActivity
	case e.GetTimerCreated() != nil:
		return aTimer
	}
	return aWorkflow
}

func resultOf(e *protos.HistoryEvent) (result, bool) {
	switch {
	case e.GetTaskCompleted() != nil:
		return result{e.GetTaskCompleted().GetTaskScheduledId(), anActivity, e}, true
	case e.GetTaskFailed() != nil:
		return result{e.GetTaskFailed().GetTaskScheduledId(), anActivity, e}, true
	case e.GetTimerFired() != nil:
		return result{e.GetTimerFired().GetTimerId(), aTimer, e}, true
	case e.GetChildWorkflowInstanceCompleted() != nil:
		return result{e.GetChildWorkflowInstanceCompleted().GetTaskScheduledId(), aWorkflow, e}, true
	case e.GetChildWorkflowInstanceFailed() != nil:
		return result{e.GetChildWorkflowInstanceFailed().GetTaskScheduledId(), aWorkflow, e}, true
	}
	return result{}, false
}
