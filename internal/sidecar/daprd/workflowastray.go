package daprd

import (
	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// astray says how a replay left the way that the history tells of: the function is not deterministic, or its
// code has changed. Or the engine has muddled the history up, which 1.18 does when a turn that starts a
// workflow over is cut off. Whatever it is, no further replay can do better, so the workflow starts over.
type astray string

// Error implements error.
func (a astray) Error() string { return "the replay goes another way than before: " + string(a) }

// onItsWay leaves the function when a replay says that it cannot go on.
func onItsWay(err error) error {
	if err != nil {
		panic(astray(err.Error()))
	}
	return nil
}

// cutShort says whether a replay ended with an error that the function did not see.
func cutShort(actions []*protos.WorkflowAction) astray {
	for _, a := range actions {
		if end := a.GetCompleteWorkflow(); end.GetWorkflowStatus() == protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED {
			return astray(end.GetFailureDetails().GetErrorMessage())
		}
	}
	return ""
}

// startOver begins a workflow anew with its input and all events of its history, taken or not.
func startOver(req *protos.WorkflowRequest) *protos.WorkflowResponse {
	again := &protos.CompleteWorkflowAction{WorkflowStatus: protos.OrchestrationStatus_ORCHESTRATION_STATUS_CONTINUED_AS_NEW}
	for _, list := range [][]*protos.HistoryEvent{req.GetPastEvents(), req.GetNewEvents()} {
		for _, e := range list {
			if begun := e.GetExecutionStarted(); begun != nil {
				again.Result = wrapperspb.String(begun.GetInput().GetValue())
			}
			if e.GetEventRaised() != nil {
				again.CarryoverEvents = append(again.CarryoverEvents, e)
			}
		}
	}
	return complete(req.GetInstanceId(), -1, again)
}
