package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd/workflow/replay"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// process waits for a free slot, then replays a workflow or runs an activity and delivers the result.
func (w *worker) process(ctx context.Context, item *protos.WorkItem) {
	slots := w.running
	if item.GetWorkflowRequest() != nil {
		slots = w.replays
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return
	}
	w.mu.Lock()
	closing := w.closing
	w.mu.Unlock()
	if closing {
		return // the engine repeats items that nobody completes
	}
	if req := item.GetWorkflowRequest(); req != nil {
		res := replay.Run(ctx, idOf(req.GetInstanceId()), w.workflows, req)
		w.deliver(ctx, req.GetInstanceId(), func(ctx context.Context) error {
			_, err := w.engine.CompleteWorkflowTask(ctx, res)
			return err
		})
	} else if req := item.GetActivityRequest(); req != nil {
		res := w.runActivity(ctx, req)
		w.deliver(ctx, req.GetWorkflowInstance().GetInstanceId(), func(ctx context.Context) error {
			_, err := w.engine.CompleteActivityTask(ctx, res)
			return err
		})
	}
}

// deliver sends a result until the engine accepts it or the stream ends: as long as the stream lives, the engine
// waits for the result and does not dispatch the item again.
func (w *worker) deliver(ctx context.Context, id string, send func(context.Context) error) {
	for wait := minWait; ctx.Err() == nil; wait = min(2*wait, maxWait) {
		call, cancel := w.withTimeout(ctx)
		err := send(call)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		telemetry.Log(ctx).Warn().Err(err).Str(field.Workflow, id).Msg("the workflow engine does not accept a result")
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// runActivity makes one attempt of an activity. It continues the trace of the workflow.
func (w *worker) runActivity(ctx context.Context, req *protos.ActivityRequest) *protos.ActivityResponse {
	id := req.GetWorkflowInstance().GetInstanceId()
	parent := req.GetParentTraceContext().GetTraceParent()
	ctx, span := telemetry.Enter(ctx, "activity "+req.GetName(), telemetry.Entry{
		Kind: trace.SpanKindServer, TraceParent: parent, Unrecorded: parent == "",
	})
	defer span.End()
	ctx, cancel := context.WithTimeout(ctx, w.opts.ActivityTimeout)
	defer cancel()
	res := &protos.ActivityResponse{InstanceId: id, TaskId: req.GetTaskId()}
	data, err := attempt(ctx, w.activities[req.GetName()], json.RawMessage(req.GetInput().GetValue()))
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Workflow, id).Str(field.Activity, req.GetName()).Msg("activity failed")
		res.FailureDetails = &protos.TaskFailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()}
		return res
	}
	res.Result = wrapperspb.String(string(data))
	return res
}

// attempt calls an activity and encodes its result. A panic is an error.
func attempt(ctx context.Context, fn sidecar.Activity, in json.RawMessage) (data []byte, err error) {
	if fn == nil {
		return nil, errors.New("no activity of this name is registered")
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out, err := fn(ctx, in)
	if err != nil {
		return nil, err
	}
	if data, err = json.Marshal(out); err == nil && len(data) > replay.MaxPayload {
		err = fmt.Errorf("a result of %d bytes is too large", len(data))
	}
	return data, err
}
