package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	dapr "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Adapter implements sidecar.Workflows and sidecar.WorkflowHost with the workflow engine of a Dapr sidecar. The engine
// needs placement, a scheduler and a state store for actors. An Adapter is safe for concurrent use, but Workflow and
// Activity must not be called after Run.
type Adapter struct {
	engine     protos.TaskHubSidecarServiceClient
	sidecar    dapr.DaprClient
	opts       Options
	calls      chan struct{} // one token for each call under way
	workflows  map[string]sidecar.Workflow
	activities map[string]sidecar.Activity
	deadlock   atomic.Int64 // since when the engine is in a deadlock, in Unix nanoseconds; 0 if it is not
}

// Options are the limits of an Adapter.
type Options struct {
	Calls           int           // concurrent starts, events and purges; 4 if zero: more only contend in the store
	Workflows       int           // concurrent replays; 4 if zero
	Activities      int           // concurrent activities; 8 if zero
	CallTimeout     time.Duration // for one call of the engine; 5 s if zero
	ActivityTimeout time.Duration // for one attempt of an activity; 1 min if zero
	Drain           time.Duration // for the activities under way when the context of Run ends; 5 s if zero
}

var (
	_ sidecar.Workflows    = (*Adapter)(nil)
	_ sidecar.WorkflowHost = (*Adapter)(nil)
)

// New makes an Adapter for the sidecar at the other end of conn. It sends nothing.
func New(conn grpc.ClientConnInterface, o Options) *Adapter {
	if o.Calls == 0 {
		o.Calls = 4
	}
	if o.Workflows == 0 {
		o.Workflows = 4
	}
	if o.Activities == 0 {
		o.Activities = 8
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = 5 * time.Second
	}
	if o.ActivityTimeout == 0 {
		o.ActivityTimeout = time.Minute
	}
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	return &Adapter{
		engine: protos.NewTaskHubSidecarServiceClient(conn), sidecar: dapr.NewDaprClient(conn),
		opts: o, calls: make(chan struct{}, o.Calls),
		workflows: map[string]sidecar.Workflow{}, activities: map[string]sidecar.Activity{},
	}
}

// Workflow implements sidecar.WorkflowHost.
func (a *Adapter) Workflow(name string, fn sidecar.Workflow) { a.workflows[name] = fn }

// Activity implements sidecar.WorkflowHost.
func (a *Adapter) Activity(name string, fn sidecar.Activity) { a.activities[name] = fn }

// withTimeout limits a call of the engine.
func (a *Adapter) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.opts.CallTimeout)
}

// acquire waits until fewer than opts.Calls calls are under way. The timeout of the call includes the wait. The caller
// must call release.
func (a *Adapter) acquire(ctx context.Context) (_ context.Context, release func(), err error) {
	ctx, cancel := a.withTimeout(ctx)
	select {
	case a.calls <- struct{}{}:
		return ctx, func() { <-a.calls; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, ctx.Err()
	}
}

// Start implements sidecar.Workflows. It asks for the instance first, because the engine would replace one that has
// ended. It asks again after an error, because the engine reports an instance that runs only as text.
func (a *Adapter) Start(ctx context.Context, name, id string, input any) error {
	data, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	ctx, release, err := a.acquire(ctx)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	defer release()
	engineID, now, err := a.find(ctx, id)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	if now != sidecar.Absent {
		return sidecar.ErrExists
	}
	req := &protos.CreateInstanceRequest{
		InstanceId: engineID, Name: name, Input: wrapperspb.String(string(data)),
		// Without a start time, the call would last until the function has run for the first time.
		ScheduledStartTimestamp: timestamppb.Now(),
	}
	if parent := telemetry.TraceParent(ctx); parent != "" {
		req.ParentTraceContext = &protos.TraceContext{TraceParent: parent}
	}
	if _, err = a.engine.StartInstance(ctx, req); err == nil {
		return nil
	}
	now, readErr := a.Status(context.WithoutCancel(ctx), id)
	if readErr == nil && now != sidecar.Absent {
		return sidecar.ErrExists
	}
	return fmt.Errorf("start %s %s: %w", name, id, err)
}

// Raise implements sidecar.Workflows. It asks for the instance first, because the engine would accept an event for one
// that has ended.
func (a *Adapter) Raise(ctx context.Context, id, event string) error {
	ctx, release, err := a.acquire(ctx)
	if err != nil {
		return fmt.Errorf("raise %s for %s: %w", event, id, err)
	}
	defer release()
	engineID, now, err := a.find(ctx, id)
	if err != nil {
		return fmt.Errorf("raise %s for %s: %w", event, id, err)
	}
	if now != sidecar.Running {
		return sidecar.ErrNotRunning
	}
	_, err = a.engine.RaiseEvent(ctx, &protos.RaiseEventRequest{InstanceId: engineID, Name: event})
	if err == nil {
		return nil
	}
	now, readErr := a.Status(context.WithoutCancel(ctx), id)
	if readErr == nil && now != sidecar.Running {
		return sidecar.ErrNotRunning
	}
	return fmt.Errorf("raise %s for %s: %w", event, id, err)
}

// Status implements sidecar.Workflows.
func (a *Adapter) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
	ctx, cancel := a.withTimeout(ctx)
	defer cancel()
	_, status, err := a.find(ctx, id)
	return status, err
}

// Purge implements sidecar.Workflows.
func (a *Adapter) Purge(ctx context.Context, id string) error {
	ctx, release, err := a.acquire(ctx)
	if err != nil {
		return fmt.Errorf("purge %s: %w", id, err)
	}
	defer release()
	engineID, now, err := a.find(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("purge %s: %w", id, err)
	case now == sidecar.Absent:
		return nil
	case now == sidecar.Running:
		return sidecar.ErrExists
	}
	_, err = a.engine.PurgeInstances(ctx, &protos.PurgeInstancesRequest{
		Request: &protos.PurgeInstancesRequest_InstanceId{InstanceId: engineID}, Recursive: true,
	})
	if err != nil {
		return fmt.Errorf("purge %s: %w", id, err)
	}
	return nil
}
