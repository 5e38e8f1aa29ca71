package daprd

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/dapr/durabletask-go/task"

	"haberdash/internal/sidecar"
)

// A failed attempt and the wait after it stay in the history, and every later step reads them. So an
// activity that keeps failing goes on in a workflow of its own, which starts over with a fresh history
// after as many attempts: a provider may then be away for a month.
const (
	retryName        = "haberdash-retry"
	attemptsInARound = 8
)

// pending is an activity on its way to success: also the input of the workflow that retries it.
type pending struct {
	Activity string              `json:"activity"`
	Input    json.RawMessage     `json:"input"`
	Policy   sidecar.RetryPolicy `json:"policy"`
	Failed   int                 `json:"failed"` // attempts
}

// call tries an activity in this history, then hands it on.
func (h *history) call(p *pending) (json.RawMessage, error) {
	result, err := h.try(p)
	if !errors.Is(err, errMany) {
		return result, err
	}
	h.ask(aWorkflow, retryName)
	err = h.oc.CallChildWorkflow(retryName, task.WithChildWorkflowInput(p)).Await(&result)
	if err == nil {
		return result, nil
	}
	text, failed := strings.CutPrefix(err.Error(), taskFailed)
	if !failed {
		_ = onItsWay(err)
	}
	return nil, errors.New(text)
}

// errMany means that the history has enough attempts.
var errMany = errors.New("many attempts")

func (h *history) try(p *pending) (json.RawMessage, error) {
	for range attemptsInARound {
		result, err := h.attempt(p)
		if err == nil {
			return result, nil
		}
		p.Failed++
		wait, more := p.Policy.After(p.Failed)
		if !more {
			return nil, err
		}
		h.ask(aTimer, "")
		_ = onItsWay(h.oc.CreateTimer(wait).Await(nil))
	}
	return nil, errMany
}

// retry is the workflow that goes on trying.
func (h *history) retry() (any, error) {
	var p pending
	if err := h.oc.GetInput(&p); err != nil {
		return nil, err
	}
	result, err := h.try(&p)
	if errors.Is(err, errMany) {
		h.oc.ContinueAsNew(p)
		return nil, nil
	}
	return result, err
}
