package replay

import (
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// history builds a history as the engine stores it, turn by turn.
type history struct {
	now    time.Time
	events []*protos.HistoryEvent
}

// started begins the history of an instance.
func started(name, input string) *history {
	h := &history{now: time.Unix(1_700_000_000, 0).UTC()}
	return h.turn(&protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_ExecutionStarted{
		ExecutionStarted: &protos.ExecutionStartedEvent{Name: name, Input: wrapperspb.String(input)},
	}})
}

// turn adds the events for which the function runs again, one second after the turn before.
func (h *history) turn(events ...*protos.HistoryEvent) *history {
	h.now = h.now.Add(time.Second)
	begin := &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_WorkflowStarted{
		WorkflowStarted: &protos.WorkflowStartedEvent{},
	}}
	return h.actions(append([]*protos.HistoryEvent{begin}, events...)...)
}

// actions adds the actions that the function requested in this turn.
func (h *history) actions(events ...*protos.HistoryEvent) *history {
	for _, e := range events {
		e.Timestamp = timestamppb.New(h.now)
		h.events = append(h.events, e)
	}
	return h
}

func raised(event string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_EventRaised{
		EventRaised: &protos.EventRaisedEvent{Name: event},
	}}
}

// timerOfWait is the timer that ends a wait for an event.
func timerOfWait(number int32, event string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: number, EventType: &protos.HistoryEvent_TimerCreated{
		TimerCreated: &protos.TimerCreatedEvent{Name: &event, Origin: &protos.TimerCreatedEvent_ExternalEvent{
			ExternalEvent: &protos.TimerOriginExternalEvent{Name: event},
		}},
	}}
}

func fired(timer int32) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_TimerFired{
		TimerFired: &protos.TimerFiredEvent{TimerId: timer},
	}}
}

func scheduled(number int32, activity string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: number, EventType: &protos.HistoryEvent_TaskScheduled{
		TaskScheduled: &protos.TaskScheduledEvent{Name: activity},
	}}
}

func completed(activity int32, result string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_TaskCompleted{
		TaskCompleted: &protos.TaskCompletedEvent{TaskScheduledId: activity, Result: wrapperspb.String(result)},
	}}
}

func failed(activity int32, message string) *protos.HistoryEvent {
	return &protos.HistoryEvent{EventId: -1, EventType: &protos.HistoryEvent_TaskFailed{
		TaskFailed: &protos.TaskFailedEvent{
			TaskScheduledId: activity, FailureDetails: &protos.TaskFailureDetails{ErrorMessage: message},
		},
	}}
}
