package daprd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

// maxTorn is how many instances of one id may have been given up.
const maxTorn = 5

// find looks for an instance. It is the engine's of this id, or, when that one's state is torn, the next.
//
// Dapr 1.18 tears a state when a timer's turn is cut off (calls of the scheduler are dropped), an event is
// stored before the turn is tried again, and the actor leaves the memory before that: the metadata then
// count the timer, which was never stored. Nothing can read such an instance again, nor purge it. It counts
// as absent, and what is started in its place gets an id of its own.
func (w *Workflows) find(ctx context.Context, id string) (engineID string, _ sidecar.WorkflowStatus, err error) {
	for n := range maxTorn {
		if engineID = id; n > 0 {
			engineID = fmt.Sprintf("%s%s%d", id, afterTorn, n)
		}
		found, err := w.read(ctx, engineID)
		if errors.Is(err, errTorn) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("status of %s: %w", id, err)
		}
		return engineID, statusOf(found), nil
	}
	return "", "", fmt.Errorf("status of %s: %d instances of it are torn", id, maxTorn)
}

// afterTorn stands between an id and a number; ids themselves have no colon.
const afterTorn = ":after-torn-"

// idOf gives the id that an instance was started with.
func idOf(engineID string) string {
	id, _, _ := strings.Cut(engineID, ":")
	return id
}

func statusOf(found *protos.GetInstanceResponse) sidecar.WorkflowStatus {
	if !found.GetExists() {
		return sidecar.Absent
	}
	switch found.GetWorkflowState().GetWorkflowStatus() {
	case protos.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED:
		return sidecar.Completed
	case protos.OrchestrationStatus_ORCHESTRATION_STATUS_FAILED,
		protos.OrchestrationStatus_ORCHESTRATION_STATUS_CANCELED,
		protos.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED:
		return sidecar.Failed
	}
	return sidecar.Running
}

// errTorn means that a part of the state is missing and stays so.
var errTorn = errors.New("the workflow's state is torn")

// read reads an instance's state. The engine puts it together from several keys and does not keep others
// from writing them meanwhile: then it says that one is missing, and is asked again, for a second or so.
func (w *Workflows) read(ctx context.Context, id string) (*protos.GetInstanceResponse, error) {
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		found, err := w.hub.GetInstance(ctx, &protos.GetInstanceRequest{InstanceId: id})
		if status.Code(err) != codes.Unknown {
			return found, err
		}
		if wait > 700*time.Millisecond {
			if strings.Contains(err.Error(), "declared in metadata") {
				return nil, errTorn
			}
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}
