package workflow

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

// maxCorrupt limits the corrupt instances of one id.
const maxCorrupt = 5

// find returns the engine's id and the status of an instance. The engine's id is the id itself, unless the state of
// that instance is corrupt: then it is the first of the replacement ids whose state can be read.
//
// Dapr 1.18.1 corrupts a state in three steps: the turn of a timer is broken off, because a connection to the
// scheduler ends; an event is stored before the turn is tried again; and the actor is unloaded. The metadata then
// count the firing of the timer, which was never stored. The engine can neither read nor purge such an instance
// (dapr/dapr#10155). It counts as absent, and the instance that is started in its place gets an id of its own.
func (a *Adapter) find(ctx context.Context, id string) (engineID string, _ sidecar.WorkflowStatus, err error) {
	for n := range maxCorrupt {
		if engineID = id; n > 0 {
			engineID = fmt.Sprintf("%s%s%d", id, replacement, n)
		}
		found, err := a.read(ctx, engineID)
		if errors.Is(err, errCorrupt) {
			continue
		}
		if err != nil {
			return "", "", fmt.Errorf("status of %s: %w", id, err)
		}
		return engineID, statusOf(found), nil
	}
	return "", "", fmt.Errorf("status of %s: the states of %d instances are corrupt", id, maxCorrupt)
}

// replacement separates the id from a number in the engine's id of an instance that replaces a corrupt one. Other ids
// contain no colon. Stores contain this text.
const replacement = ":after-torn-"

// idOf returns the id that an instance was started with.
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

// errCorrupt means that a part of the state is missing and stays missing.
var errCorrupt = errors.New("the state of the workflow is corrupt")

// read reads the state of an instance. The engine reads several keys one after the other, without protection from
// concurrent writes; when a key is missing, it returns an error of code Unknown (dapr/dapr#10242). read then tries
// again for about a second, after which the key counts as missing for good.
func (a *Adapter) read(ctx context.Context, engineID string) (*protos.GetInstanceResponse, error) {
	for wait := 5 * time.Millisecond; ; wait *= 2 {
		found, err := a.engine.GetInstance(ctx, &protos.GetInstanceRequest{InstanceId: engineID})
		if status.Code(err) != codes.Unknown {
			return found, err
		}
		if wait > 700*time.Millisecond {
			if strings.Contains(err.Error(), "declared in metadata") {
				return nil, errCorrupt
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
