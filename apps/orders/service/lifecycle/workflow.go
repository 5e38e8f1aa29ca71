package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Names that running workflows depend on: see sidecar.WorkflowHost before changing the function of a name.
const (
	workflowName = "order-lifecycle"
	activityName = "settle-order" // stored name of advanceOrder
	changedEvent = "changed"
)

// workflowInput is the input of the workflow and of its activity.
type workflowInput struct {
	Order string `json:"order"`
}

// nextStep is the result of the activity: what the workflow does next.
type nextStep struct {
	Finished bool          `json:"over"`
	Wait     time.Duration `json:"for"` // unless the order changes before
}

// roundsPerHistory is after how many rounds the workflow starts again with an empty history.
const roundsPerHistory = 10

// RegisterWorkflow registers the workflow and its activity.
func (l *Lifecycle) RegisterWorkflow(host sidecar.WorkflowHost) {
	host.Workflow(workflowName, l.orderLifecycle)
	host.Activity(activityName, l.advanceOrder)
}

// orderLifecycle is the workflow of one order: it completes the order's duties, waits until the order changes or until
// its next time, and repeats that until nothing more is expected of the order. The orders log says which duties the
// order has and when; the workflow only decides when to look.
func (l *Lifecycle) orderLifecycle(w sidecar.WorkflowContext) error {
	var in workflowInput
	if err := w.Input(&in); err != nil {
		return err
	}
	for range roundsPerHistory {
		var next nextStep
		err := w.Call(activityName, in, &next, sidecar.RetryPolicy{First: time.Second, Max: 30 * time.Second})
		if err != nil || next.Finished {
			return err
		}
		if _, err := w.Wait(changedEvent, next.Wait); err != nil {
			return err
		}
	}
	w.ContinueAsNew(in)
	return nil
}

// advanceOrder is the activity of the workflow. After an error the order still has a duty, and the activity is
// repeated.
func (l *Lifecycle) advanceOrder(ctx context.Context, input json.RawMessage) (any, error) {
	var in workflowInput
	if err := json.Unmarshal(input, &in); err != nil {
		return nil, err
	}
	l.owed.expect(in.Order)
	o, version, err := l.Orders.Get(ctx, in.Order)
	l.owed.found(in.Order, o, err)
	if fault.Is(err, "not-found") {
		telemetry.Log(ctx).Error().Str(field.Order, in.Order).Msg("a lifecycle ends because its order does not exist")
		return nextStep{Finished: true}, nil
	}
	if err != nil {
		return nil, err
	}
	// Until the deadline, only the request that placed the order decides it.
	if left := l.Deadline - l.Now().Sub(o.PlacedAt); o.Status == order.Placing && left > 0 {
		return nextStep{Wait: left}, nil
	}
	release, claimed := l.Decider.Claim(o.OrderID)
	if !claimed {
		return nextStep{Wait: time.Second}, nil
	}
	defer release()
	if l.expired(o) {
		if o, version, err = l.endExpired(ctx, o); err != nil {
			return nil, err
		}
	}
	if o, _, err = l.CompleteDuties(ctx, o, version); err != nil {
		return nil, err
	}
	return l.nextStep(o), nil
}

func (l *Lifecycle) nextStep(o order.Order) nextStep {
	at := o.ChangedAt.Add(l.ReturnsFor)
	switch {
	case l.finished(o):
		return nextStep{Finished: true}
	case o.AwaitsShipment():
		at = o.PlacedAt.Add(l.AuthorisationLife)
	}
	return nextStep{Wait: max(at.Sub(l.Now()), time.Second)}
}

// EnsureRunning makes sure that an order has a running workflow, and that it looks at the order again.
func (l *Lifecycle) EnsureRunning(ctx context.Context, orderID string) error {
	err := l.Workflows.Start(ctx, workflowName, orderID, workflowInput{orderID})
	if !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	err = l.Workflows.Raise(ctx, orderID, changedEvent)
	if !errors.Is(err, sidecar.ErrNotRunning) {
		return err
	}
	// The workflow has ended, and now the order owes something more: for example a refund long after the delivery.
	if err := l.Workflows.Purge(ctx, orderID); err != nil && !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	err = l.Workflows.Start(ctx, workflowName, orderID, workflowInput{orderID})
	if err != nil && !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	return nil
}

// notify makes a running workflow look at its order again. An order without a workflow needs none.
func (l *Lifecycle) notify(ctx context.Context, orderID string) error {
	if err := l.Workflows.Raise(ctx, orderID, changedEvent); !errors.Is(err, sidecar.ErrNotRunning) {
		return err
	}
	return nil
}
