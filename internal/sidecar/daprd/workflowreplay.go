package daprd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/api/protos"
	"github.com/dapr/durabletask-go/backend"
	"github.com/dapr/durabletask-go/task"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// replay runs a workflow's function over its history and tells the engine what it asks for next.
func (r *worker) replay(ctx context.Context, req *protos.WorkflowRequest) *protos.WorkflowResponse {
	var h *history
	var failed error
	registry := task.NewTaskRegistry() // of one function, which knows this history
	_ = registry.AddWorkflowN("*", func(oc *task.WorkflowContext) (result any, _ error) {
		h = newHistory(oc, req.GetPastEvents(), req.GetNewEvents())
		if oc.Name == retryName {
			result, failed = guard(h.retry)
		} else {
			result, failed = guard(func() (any, error) { return nil, h.run(r.workflows[oc.Name]) })
		}
		return result, failed
	})
	res, err := task.NewTaskExecutor(registry).ExecuteWorkflow(ctx, api.InstanceID(req.GetInstanceId()),
		req.GetPastEvents(), req.GetNewEvents(), backend.ExecuteOptions{PropagatedHistory: req.GetPropagatedHistory()})
	if failed == nil && err == nil {
		return &protos.WorkflowResponse{
			InstanceId: req.GetInstanceId(), Actions: res.GetActions(), CustomStatus: res.GetCustomStatus(), Version: res.GetVersion(),
		}
	}
	if failed == nil {
		failed, h = err, &history{}
	}
	telemetry.Log(ctx).Error().Err(failed).Str("workflow", req.GetInstanceId()).Msg("workflow failed")
	return h.fail(req.GetInstanceId(), failed)
}

// fail ends an instance and nothing else: what a replay that went astray asked for is not to be done.
func (h *history) fail(id string, err error) *protos.WorkflowResponse {
	return &protos.WorkflowResponse{InstanceId: id, Actions: []*protos.WorkflowAction{{
		Id: h.asked,
		WorkflowActionType: &protos.WorkflowAction_CompleteWorkflow{CompleteWorkflow: &protos.CompleteWorkflowAction{
			WorkflowStatus: protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED,
			FailureDetails: &protos.TaskFailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()},
		}},
	}}}
}

// history is a workflow's view of one replay.
type history struct {
	oc     *task.WorkflowContext
	events [][]*protos.HistoryEvent
	before map[int32]string // what was asked for in earlier replays; the engine numbers it
	asked  int32            // how much was asked for in this one
	again  json.RawMessage
}

func newHistory(oc *task.WorkflowContext, events ...[]*protos.HistoryEvent) *history {
	h := &history{oc: oc, events: events, before: map[int32]string{}}
	for _, list := range events {
		for _, e := range list {
			if t := e.GetTaskScheduled(); t != nil {
				h.before[e.GetEventId()] = "activity " + t.GetName()
			} else if t := e.GetTimerCreated(); t != nil {
				h.before[e.GetEventId()] = "timer " + t.GetName()
			} else if c := e.GetChildWorkflowInstanceCreated(); c != nil {
				h.before[e.GetEventId()] = "workflow " + c.GetName()
			}
		}
	}
	return h
}

// ask counts what is asked for and gives its number. The engine compares little more than numbers: a
// function that goes another way than before would be told what something else had come to.
func (h *history) ask(what string) int32 {
	if was, ok := h.before[h.asked]; ok && was != what {
		panic(fmt.Sprintf("not deterministic: it asked for %s where it had asked for %s", what, was))
	}
	h.asked++
	return h.asked - 1
}

var _ sidecar.WorkflowContext = (*history)(nil)

// guard lets the panic pass that leaves a function which waits. Any other must not end the process.
func guard(fn func() (any, error)) (result any, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case task.ErrTaskBlocked:
			panic(p)
		default:
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return fn()
}

func (h *history) run(fn sidecar.Workflow) error {
	if fn == nil {
		return errors.New("no workflow of this name is registered")
	}
	if err := fn(h); err != nil {
		return err
	}
	if h.again != nil {
		h.oc.ContinueAsNew(h.again, task.WithKeepUnprocessedEvents())
	}
	return nil
}

// ID implements sidecar.WorkflowContext.
func (h *history) ID() string { return idOf(string(h.oc.ID)) }

// Input implements sidecar.WorkflowContext.
func (h *history) Input(v any) error { return h.oc.GetInput(v) }

// Now implements sidecar.WorkflowContext.
func (h *history) Now() time.Time { return h.oc.CurrentTimeUtc }

// Again implements sidecar.WorkflowContext.
func (h *history) Again(input any) {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	h.again = data
}

// Wait implements sidecar.WorkflowContext.
func (h *history) Wait(event string, d time.Duration) (bool, error) {
	err := h.oc.WaitForSingleEvent(event, 0).Await(nil)
	if d > 0 && errors.Is(err, task.ErrTaskCanceled) {
		timer := h.ask("timer " + event)
		if err = h.oc.WaitForSingleEvent(event, d).Await(nil); err == nil {
			h.disarm(timer)
		}
	}
	if errors.Is(err, task.ErrTaskCanceled) {
		return false, nil
	}
	return err == nil, err
}

// disarm takes a timer out of what is still to be replayed, whose wait has got its event. The engine
// cancels most of them; one that fires all the same would make the replay forget whichever wait for the
// event is then on (dapr/durabletask-go#114, mended after v0.12.1), which would sleep through it.
func (h *history) disarm(timer int32) {
	for _, events := range h.events {
		for i, e := range events {
			if fired := e.GetTimerFired(); fired != nil && fired.GetTimerId() == timer {
				events[i] = &protos.HistoryEvent{ // replays as nothing
					EventId: e.GetEventId(), Timestamp: e.GetTimestamp(),
					EventType: &protos.HistoryEvent_ExecutionStalled{ExecutionStalled: &protos.ExecutionStalledEvent{}},
				}
			}
		}
	}
}

// Call implements sidecar.WorkflowContext.
func (h *history) Call(activity string, in, out any, retry sidecar.RetryPolicy) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", activity, err)
	}
	if len(data) > maxPayload {
		return fmt.Errorf("call %s: an input of %d bytes is too large", activity, len(data))
	}
	result, err := h.call(&pending{Activity: activity, Input: data, Policy: retry})
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("result of %s: %w", activity, err)
	}
	return nil
}

// taskFailed tells an activity's failure from the replay's own errors, such as that the function is not
// deterministic: durabletask-go gives both as text.
const taskFailed = "task failed with an error: "

func (h *history) attempt(p *pending) (result json.RawMessage, failed bool, err error) {
	h.ask("activity " + p.Activity)
	err = h.oc.CallActivity(p.Activity, task.WithRawActivityInput(wrapperspb.String(string(p.Input)))).Await(&result)
	if err == nil {
		return result, false, nil
	}
	text, failed := strings.CutPrefix(err.Error(), taskFailed)
	return nil, failed, fmt.Errorf("activity %s: %s", p.Activity, text)
}
