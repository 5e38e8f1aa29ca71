package faultflag

import (
	"context"
	"fmt"

	"haberdash/internal/sidecar"
)

// Workflows returns a workflow engine that has the fault RefusedWorkflows.
func (f *Flags) Workflows(w sidecar.Workflows) sidecar.Workflows {
	if f == nil {
		return w
	}
	return faultyWorkflows{w, f}
}

type faultyWorkflows struct {
	sidecar.Workflows
	flags *Flags
}

// refuse returns an error for the ids of RefusedWorkflows. Orders chooses ids of letters and digits at random. Those
// with which it asks whether the engine accepts another workflow begin with a word.
func (w faultyWorkflows) refuse(ctx context.Context, id string) error {
	if w.flags.value(ctx, RefusedWorkflows) != 0 && id != "" && id[0] >= '0' && id[0] <= '9' {
		return fmt.Errorf("the workflow engine refuses %s (fault flag refused-workflows)", id)
	}
	return nil
}

// Start implements sidecar.Workflows.
func (w faultyWorkflows) Start(ctx context.Context, name, id string, input any) error {
	if err := w.refuse(ctx, id); err != nil {
		return err
	}
	return w.Workflows.Start(ctx, name, id, input)
}

// Raise implements sidecar.Workflows.
func (w faultyWorkflows) Raise(ctx context.Context, id, event string) error {
	if err := w.refuse(ctx, id); err != nil {
		return err
	}
	return w.Workflows.Raise(ctx, id, event)
}
