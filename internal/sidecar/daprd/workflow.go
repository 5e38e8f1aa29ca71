package daprd

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Workflows implements sidecar.Workflows and sidecar.WorkflowHost with the sidecar's workflow engine, which
// needs placement, a scheduler and a state store for actors. The engine keeps the histories and hands out
// work over one stream; durabletask-go's task package replays them. Its own worker is not used: it runs any
// number of items at once, and stopping it throws away the results of those under way.
type Workflows struct {
	c          *Client
	hub        protos.TaskHubSidecarServiceClient
	opts       WorkflowOptions
	calls      chan struct{} // a token for each that is under way
	workflows  map[string]sidecar.Workflow
	activities map[string]sidecar.Activity
	wedged     atomic.Int64 // since when, Unix nanoseconds; 0: not
}

// WorkflowOptions bound what is done at once.
type WorkflowOptions struct {
	Calls           int           // starts, events and purges; 4 if zero: more only wait for each other in the store
	Workflows       int           // replays at once; 4 if zero
	Activities      int           // at once; 8 if zero
	ActivityTimeout time.Duration // of one attempt; 1 min if zero
	Drain           time.Duration // for activities under way when Run is told to end; 5 s if zero
}

// Workflows gives the sidecar's workflow engine. It does nothing before it is used.
func (c *Client) Workflows(o WorkflowOptions) *Workflows {
	if o.Calls == 0 {
		o.Calls = 4
	}
	if o.Workflows == 0 {
		o.Workflows = 4
	}
	if o.Activities == 0 {
		o.Activities = 8
	}
	if o.ActivityTimeout == 0 {
		o.ActivityTimeout = time.Minute
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	return &Workflows{
		c: c, hub: protos.NewTaskHubSidecarServiceClient(c.conn), opts: o, calls: make(chan struct{}, o.Calls),
		workflows: map[string]sidecar.Workflow{}, activities: map[string]sidecar.Activity{},
	}
}

var (
	_ sidecar.Workflows    = (*Workflows)(nil)
	_ sidecar.WorkflowHost = (*Workflows)(nil)
)

// Workflow implements sidecar.WorkflowHost.
func (w *Workflows) Workflow(name string, fn sidecar.Workflow) { w.workflows[name] = fn }

// Activity implements sidecar.WorkflowHost.
func (w *Workflows) Activity(name string, fn sidecar.Activity) { w.activities[name] = fn }

// Used reports whether anything is registered.
func (w *Workflows) Used() bool { return len(w.workflows)+len(w.activities) > 0 }

// turn waits for a call's turn, and bounds the call.
func (w *Workflows) turn(ctx context.Context) (_ context.Context, done func(), err error) {
	ctx, cancel := w.c.bound(ctx)
	select {
	case w.calls <- struct{}{}:
		return ctx, func() { <-w.calls; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, ctx.Err()
	}
}

// Start implements sidecar.Workflows. The engine itself would start an instance anew over one that has
// ended, so it is asked first; and it words its refusal of one that runs, so after an error again.
func (w *Workflows) Start(ctx context.Context, name, id string, input any) error {
	data, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	ctx, done, err := w.turn(ctx)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	defer done()
	engineID, now, err := w.find(ctx, id)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	if now != sidecar.Absent {
		return sidecar.ErrExists
	}
	req := &protos.CreateInstanceRequest{
		InstanceId: engineID, Name: name, Input: wrapperspb.String(string(data)),
		// Without a time the call would last until the workflow has taken its first step.
		ScheduledStartTimestamp: timestamppb.Now(),
	}
	if t, ok := telemetry.TraceOf(ctx); ok {
		req.ParentTraceContext = &protos.TraceContext{TraceParent: t.Parent(), SpanID: t.Span}
	}
	if _, err = w.hub.StartInstance(ctx, req); err == nil {
		return nil
	}
	if now, readErr := w.Status(context.WithoutCancel(ctx), id); readErr == nil && now != sidecar.Absent {
		return sidecar.ErrExists
	}
	return fmt.Errorf("start %s %s: %w", name, id, err)
}

// Raise implements sidecar.Workflows. The engine would take an event for an instance that has ended.
func (w *Workflows) Raise(ctx context.Context, id, event string) error {
	ctx, done, err := w.turn(ctx)
	if err != nil {
		return fmt.Errorf("raise %s for %s: %w", event, id, err)
	}
	defer done()
	engineID, now, err := w.find(ctx, id)
	if err != nil {
		return fmt.Errorf("raise %s for %s: %w", event, id, err)
	}
	if now != sidecar.Running {
		return sidecar.ErrGone
	}
	if _, err = w.hub.RaiseEvent(ctx, &protos.RaiseEventRequest{InstanceId: engineID, Name: event}); err == nil {
		return nil
	}
	if now, readErr := w.Status(context.WithoutCancel(ctx), id); readErr == nil && now != sidecar.Running {
		return sidecar.ErrGone
	}
	return fmt.Errorf("raise %s for %s: %w", event, id, err)
}

// Status implements sidecar.Workflows.
func (w *Workflows) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
	ctx, cancel := w.c.bound(ctx)
	defer cancel()
	_, status, err := w.find(ctx, id)
	return status, err
}

// Purge implements sidecar.Workflows.
func (w *Workflows) Purge(ctx context.Context, id string) error {
	ctx, done, err := w.turn(ctx)
	if err != nil {
		return fmt.Errorf("purge %s: %w", id, err)
	}
	defer done()
	engineID, now, err := w.find(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("purge %s: %w", id, err)
	case now == sidecar.Absent:
		return nil
	case now == sidecar.Running:
		return sidecar.ErrExists
	}
	_, err = w.hub.PurgeInstances(ctx, &protos.PurgeInstancesRequest{
		Request: &protos.PurgeInstancesRequest_InstanceId{InstanceId: engineID}, Recursive: true,
	})
	if err != nil {
		return fmt.Errorf("purge %s: %w", id, err)
	}
	return nil
}
