package replay

import (
	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// divergence describes how a replay differs from the history. Either the function is not deterministic, or its code
// has changed, or the engine has mixed up the history, which Dapr 1.18 does when it breaks off a turn that starts a
// workflow over. No further replay can do better, so the workflow restarts. The panic with a divergence leaves the
// function.
type divergence string

// Error implements error.
func (d divergence) Error() string { return "the replay differs from the history: " + string(d) }

// libraryFailure returns the error with which the library ended a workflow although its function returned none. It is
// empty if there is no such error.
func libraryFailure(actions []*protos.WorkflowAction) divergence {
	for _, a := range actions {
		end := a.GetCompleteWorkflow()
		if end.GetWorkflowStatus() == protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED {
			return divergence(end.GetFailureDetails().GetErrorMessage())
		}
	}
	return ""
}

// restart starts a workflow over with its input and with all events that were raised, whether the function has
// received them or not.
func restart(req *protos.WorkflowRequest) *protos.WorkflowResponse {
	end := &protos.CompleteWorkflowAction{
		WorkflowStatus: protos.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW,
	}
	for _, list := range [][]*protos.HistoryEvent{req.GetPastEvents(), req.GetNewEvents()} {
		for _, e := range list {
			if started := e.GetExecutionStarted(); started != nil {
				end.Result = wrapperspb.String(started.GetInput().GetValue())
			}
			if e.GetEventRaised() != nil {
				end.CarryoverEvents = append(end.CarryoverEvents, e)
			}
		}
	}
	return complete(req.GetInstanceId(), -1, end)
}
