package replay

import (
	"encoding/json"
	"errors"

	"github.com/dapr/durabletask-go/task"

	"haberdash/internal/sidecar"
)

// A failed attempt and the wait after it stay in the history, and every later replay reads them. An activity that keeps
// failing therefore continues in a child workflow, which starts over with an empty history after as many attempts: a
// payment provider may be unavailable for a month. Stored histories contain retryName and the fields of activityCall.
const (
	retryName          = "haberdash-retry"
	attemptsPerHistory = 8
)

// activityCall is an activity that is tried until it succeeds. It is also the input of the child workflow.
type activityCall struct {
	Activity string              `json:"activity"`
	Input    json.RawMessage     `json:"input"`
	Policy   sidecar.RetryPolicy `json:"policy"`
	Failed   int                 `json:"failed"` // number of failed attempts
}

// errTooManyAttempts means that the history contains attemptsPerHistory failed attempts.
var errTooManyAttempts = errors.New("too many attempts in one history")

// callActivity tries an activity in this history, then in a child workflow.
func (c *replayContext) callActivity(call *activityCall) (json.RawMessage, error) {
	result, err := c.attempts(call)
	if !errors.Is(err, errTooManyAttempts) {
		return result, err
	}
	c.request(action{workflowKind, retryName})
	err = c.library.CallChildWorkflow(retryName, task.WithChildWorkflowInput(call)).Await(&result)
	if err == nil {
		return result, nil
	}
	return nil, errors.New(failureText(err))
}

// attempts tries an activity until it succeeds, the policy ends, or the history has enough attempts.
func (c *replayContext) attempts(call *activityCall) (json.RawMessage, error) {
	for range attemptsPerHistory {
		result, err := c.attempt(call)
		if err == nil {
			return result, nil
		}
		call.Failed++
		wait, more := call.Policy.After(call.Failed)
		if !more {
			return nil, err
		}
		c.request(action{kind: timerKind})
		if err := c.library.CreateTimer(wait).Await(nil); err != nil {
			panic(divergence(err.Error()))
		}
	}
	return nil, errTooManyAttempts
}

// runRetryWorkflow is the function of the child workflow.
func (c *replayContext) runRetryWorkflow() (any, error) {
	var call activityCall
	if err := c.library.GetInput(&call); err != nil {
		return nil, err
	}
	result, err := c.attempts(&call)
	if errors.Is(err, errTooManyAttempts) {
		c.library.ContinueAsNew(call)
		return nil, nil
	}
	return result, err
}
