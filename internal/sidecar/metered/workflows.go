package metered

import (
	"context"
	"time"

	"haberdash/internal/sidecar"
)

// workflowEngine is the target of all calls of the workflow engine.
const workflowEngine = "workflow"

// Workflows measures the calls of the workflow engine.
func (c *Calls) Workflows(next sidecar.Workflows) sidecar.Workflows {
	return &workflows{
		next: next, start: c.of("workflow-start", workflowEngine), raise: c.of("workflow-raise", workflowEngine),
		status: c.of("workflow-status", workflowEngine), purge: c.of("workflow-purge", workflowEngine),
	}
}

type workflows struct {
	next                        sidecar.Workflows
	start, raise, status, purge *operation
}

// Start implements sidecar.Workflows.
func (w *workflows) Start(ctx context.Context, name, id string, input any) error {
	began := time.Now()
	err := w.next.Start(ctx, name, id, input)
	w.start.observe(began, outcomeOf(ctx, err))
	return err
}

// Raise implements sidecar.Workflows.
func (w *workflows) Raise(ctx context.Context, id, event string) error {
	began := time.Now()
	err := w.next.Raise(ctx, id, event)
	w.raise.observe(began, outcomeOf(ctx, err))
	return err
}

// Status implements sidecar.Workflows.
func (w *workflows) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
	began := time.Now()
	now, err := w.next.Status(ctx, id)
	result := outcomeOf(ctx, err)
	if err == nil && now == sidecar.Absent {
		result = notFound
	}
	w.status.observe(began, result)
	return now, err
}

// Purge implements sidecar.Workflows.
func (w *workflows) Purge(ctx context.Context, id string) error {
	began := time.Now()
	err := w.next.Purge(ctx, id)
	w.purge.observe(began, outcomeOf(ctx, err))
	return err
}
