package daprd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	events, aside := inOrder(req.GetPastEvents(), req.GetNewEvents())
	registry := task.NewTaskRegistry() // of one function, which knows this history
	_ = registry.AddWorkflowN("*", func(oc *task.WorkflowContext) (result any, _ error) {
		h = newHistory(oc, events, aside)
		if oc.Name == retryName {
			result, failed = guard(h.retry)
		} else {
			result, failed = guard(func() (any, error) { return nil, h.run(r.workflows[oc.Name]) })
		}
		return result, failed
	})
	res, err := task.NewTaskExecutor(registry).ExecuteWorkflow(ctx, api.InstanceID(req.GetInstanceId()),
		nil, events, backend.ExecuteOptions{PropagatedHistory: req.GetPropagatedHistory()})
	var lost astray
	switch {
	case errors.As(failed, &lost):
	case failed != nil:
		telemetry.Log(ctx).Error().Err(failed).Str("workflow", req.GetInstanceId()).Msg("workflow failed")
		return h.fail(req.GetInstanceId(), failed)
	case err != nil:
		lost = astray(err.Error())
	default:
		lost = cutShort(res.GetActions())
	}
	if lost != "" {
		telemetry.Log(ctx).Error().Err(lost).Str("workflow", req.GetInstanceId()).Msg("workflow starts over")
		return startOver(req)
	}
	// They come out of a map, but are stored, and later replayed, in this order.
	slices.SortFunc(res.Actions, func(a, b *protos.WorkflowAction) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return &protos.WorkflowResponse{
		InstanceId: req.GetInstanceId(), Actions: res.GetActions(), CustomStatus: res.GetCustomStatus(), Version: res.GetVersion(),
	}
}

// fail ends an instance and nothing else: what the function asked for before is not to be done.
func (h *history) fail(id string, err error) *protos.WorkflowResponse {
	return complete(id, h.asked, &protos.CompleteWorkflowAction{
		WorkflowStatus: protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED,
		FailureDetails: &protos.TaskFailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()},
	})
}

func complete(id string, number int32, how *protos.CompleteWorkflowAction) *protos.WorkflowResponse {
	return &protos.WorkflowResponse{InstanceId: id, Actions: []*protos.WorkflowAction{{
		Id: number, WorkflowActionType: &protos.WorkflowAction_CompleteWorkflow{CompleteWorkflow: how},
	}}}
}

// history is a workflow's view of one replay.
type history struct {
	oc     *task.WorkflowContext
	events []*protos.HistoryEvent // what is replayed; may be changed ahead of the replay
	aside  []result               // their places are the last
	before map[int32]string       // what was asked for in earlier replays; the engine numbers it
	asked  int32                  // how much was asked for in this one
	again  json.RawMessage
}

func newHistory(oc *task.WorkflowContext, events []*protos.HistoryEvent, aside []result) *history {
	h := &history{oc: oc, events: events, aside: aside, before: map[int32]string{}}
	for _, e := range events {
		if what := askedFor(e); what != "" {
			h.before[e.GetEventId()] = what
		}
	}
	return h
}

// ask counts what is asked for and gives its number. The engine compares little more than numbers: a
// function that goes another way than before would be told what something else had come to.
func (h *history) ask(kind, name string) int32 {
	number := h.asked
	if was, ok := h.before[number]; ok && was != kind+name {
		panic(astray(fmt.Sprintf("it asked for %s where it had asked for %s", kind+name, was)))
	}
	h.asked++
	for i, r := range h.aside {
		if r.number == number && r.kind == kind {
			h.events[len(h.events)-len(h.aside)+i] = r.event
		}
	}
	return number
}

// guard lets the panic pass that leaves a function which waits. Any other must not end the process.
func guard(fn func() (any, error)) (result any, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case task.ErrTaskBlocked:
			panic(p)
		default:
			var ok bool
			if err, ok = p.(astray); !ok {
				err = fmt.Errorf("panic: %v", p)
			}
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
		timer := h.ask(aTimer, event)
		if err = h.oc.WaitForSingleEvent(event, d).Await(nil); err == nil {
			h.disarm(timer)
		}
	}
	if errors.Is(err, task.ErrTaskCanceled) {
		return false, nil
	}
	return true, onItsWay(err)
}

// disarm takes a timer out of what is still to be replayed, whose wait has got its event. The engine
// cancels most of them; one that fires all the same would make the replay forget whichever wait for the
// event is then on (dapr/durabletask-go#114, mended after v0.12.1), which would sleep through it.
func (h *history) disarm(timer int32) {
	for i, e := range h.events {
		if fired := e.GetTimerFired(); fired != nil && fired.GetTimerId() == timer {
			h.events[i] = nothing
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

// taskFailed tells an activity's failure from the replay's own errors: durabletask-go gives both as text.
const taskFailed = "task failed with an error: "

func (h *history) attempt(p *pending) (result json.RawMessage, err error) {
	h.ask(anActivity, p.Activity)
	err = h.oc.CallActivity(p.Activity, task.WithRawActivityInput(wrapperspb.String(string(p.Input)))).Await(&result)
	if err == nil {
		return result, nil
	}
	text, failed := strings.CutPrefix(err.Error(), taskFailed)
	if !failed {
		_ = onItsWay(err)
	}
	return nil, fmt.Errorf("activity %s: %s", p.Activity, text)
}
