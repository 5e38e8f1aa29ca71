// Package replay runs the function of a workflow over the history of an instance and returns the actions that the
// engine must perform next. It does no I/O. The replay itself is that of durabletask-go (its package task); this
// package repairs the histories beforehand and checks the outcome. The documentation of package workflow gives the
// reasons.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dapr/durabletask-go/api"
	"github.com/dapr/durabletask-go/api/protos"
	"github.com/dapr/durabletask-go/backend"
	"github.com/dapr/durabletask-go/task"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// MaxPayload is the size limit for an input and for a result, in bytes. The sidecar accepts messages of 4 MB.
const MaxPayload = 1 << 20

// Run replays one instance. id is the id that the workflow's function sees; req.InstanceId may differ from it. An error
// or a panic of the function fails the instance; a replay that differs from the history restarts it.
func Run(
	ctx context.Context, id string, workflows map[string]sidecar.Workflow, req *protos.WorkflowRequest,
) *protos.WorkflowResponse {
	var c *replayContext
	var failure error
	events, early := reorder(req.GetPastEvents(), req.GetNewEvents())
	registry := task.NewTaskRegistry() // contains one function, which uses this history
	_ = registry.AddWorkflowN("*", func(library *task.WorkflowContext) (result any, _ error) {
		c = newContext(library, id, events, early)
		result, failure = recoverPanic(func() (any, error) {
			if library.Name == retryName {
				return c.runRetryWorkflow()
			}
			return nil, c.run(workflows[library.Name])
		})
		return result, failure
	})
	res, err := task.NewTaskExecutor(registry).ExecuteWorkflow(ctx, api.InstanceID(req.GetInstanceId()),
		nil, events, backend.ExecuteOptions{PropagatedHistory: req.GetPropagatedHistory()})
	var differs divergence
	switch {
	case errors.As(failure, &differs):
	case failure != nil:
		telemetry.Log(ctx).Error().Err(failure).Str(field.Workflow, req.GetInstanceId()).Msg("workflow failed")
		return fail(req.GetInstanceId(), c.requested, failure)
	case err != nil:
		differs = divergence(err.Error())
	default:
		differs = libraryFailure(res.GetActions())
	}
	if differs != "" {
		telemetry.Log(ctx).Error().Err(differs).Str(field.Workflow, req.GetInstanceId()).
			Msg("a workflow restarts because its replay differs from its history")
		return restart(req)
	}
	// The library returns the actions in random order. The engine stores them in this order, and later replays read
	// them.
	slices.SortFunc(res.Actions, func(a, b *protos.WorkflowAction) int { return cmp.Compare(a.GetId(), b.GetId()) })
	return &protos.WorkflowResponse{
		InstanceId: req.GetInstanceId(), Actions: res.GetActions(),
		CustomStatus: res.GetCustomStatus(), Version: res.GetVersion(),
	}
}

// fail ends an instance. It leaves out the actions that the function requested before it failed.
func fail(id string, number int32, err error) *protos.WorkflowResponse {
	return complete(id, number, &protos.CompleteWorkflowAction{
		WorkflowStatus: protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED,
		FailureDetails: &protos.TaskFailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()},
	})
}

// complete returns a response whose only action ends this run of the instance.
func complete(id string, number int32, end *protos.CompleteWorkflowAction) *protos.WorkflowResponse {
	return &protos.WorkflowResponse{InstanceId: id, Actions: []*protos.WorkflowAction{{
		Id: number, WorkflowActionType: &protos.WorkflowAction_CompleteWorkflow{CompleteWorkflow: end},
	}}}
}

// recoverPanic calls fn and turns a panic into an error, so that it does not end the process. It does not recover
// task.ErrTaskBlocked, by which the library leaves a function that must wait.
func recoverPanic(fn func() (any, error)) (result any, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case task.ErrTaskBlocked:
			panic(p)
		default:
			var ok bool
			if err, ok = p.(divergence); !ok {
				err = fmt.Errorf("panic: %v", p)
			}
		}
	}()
	return fn()
}
