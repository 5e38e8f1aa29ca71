// Package workflow is a workflow engine in memory, for tests. As Dapr's engine does, it calls the function of a
// workflow from its start for every step, and checks that the function requests the same actions each time. A
// function that does not fails here, instead of starting over, so that tests find it. The engine does not simulate
// results that arrive twice, the cost of a long history, and starts and events that fail while the scheduler is
// unavailable.
package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Engine implements sidecar.Workflows and sidecar.WorkflowHost. It is safe for concurrent use, but Workflow and
// Activity must not be called after Run.
type Engine struct {
	mu         sync.Mutex
	changed    *sync.Cond // when anything changes that a step may wait for
	workflows  map[string]sidecar.Workflow
	activities map[string]sidecar.Activity
	instances  map[string]*instance
	advanced   time.Duration // how far the clock is ahead
	run        *run          // nil while Run is not called
}

// run is the life of a worker: from Run, or a crash, to the end of the context or the next crash.
type run struct {
	ctx     context.Context
	work    context.Context // for activities, which may finish after the end of ctx
	crashed bool
	steps   sync.WaitGroup
}

type instance struct {
	name, id string
	input    []byte
	trace    string // of the caller of Start
	status   sidecar.WorkflowStatus
	failure  error
	events   map[string]int // how many the function has not received
	begun    time.Time
	history  []outcome // of the actions of the function, in order
	attempts int       // failed attempts of the activity that is running
}

// outcome is the recorded outcome of an action.
type outcome struct {
	action   string
	result   []byte // of an activity
	err      error  // of an activity
	received bool   // whether an event came
	at       time.Time
}

// New makes an engine without instances.
func New() *Engine {
	e := &Engine{
		workflows: map[string]sidecar.Workflow{}, activities: map[string]sidecar.Activity{},
		instances: map[string]*instance{},
	}
	e.changed = sync.NewCond(&e.mu)
	return e
}

var (
	_ sidecar.Workflows    = (*Engine)(nil)
	_ sidecar.WorkflowHost = (*Engine)(nil)
)

// Workflow implements sidecar.WorkflowHost.
func (e *Engine) Workflow(name string, fn sidecar.Workflow) { e.workflows[name] = fn }

// Activity implements sidecar.WorkflowHost.
func (e *Engine) Activity(name string, fn sidecar.Activity) { e.activities[name] = fn }

// Start implements sidecar.Workflows. Without Run, the instance waits for it.
func (e *Engine) Start(ctx context.Context, name, id string, input any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("start %s %s: %w", name, id, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.instances[id] != nil {
		return sidecar.ErrExists
	}
	in := &instance{
		name: name, id: id, input: data, status: sidecar.Running, events: map[string]int{}, begun: e.now(),
	}
	in.trace = telemetry.TraceParent(ctx)
	e.instances[id] = in
	e.resume(in)
	return nil
}

// Raise implements sidecar.Workflows.
func (e *Engine) Raise(ctx context.Context, id, event string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.instances[id]
	if in == nil || in.status != sidecar.Running {
		return sidecar.ErrNotRunning
	}
	in.events[event]++
	e.changed.Broadcast()
	return nil
}

// Status implements sidecar.Workflows.
func (e *Engine) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if in := e.instances[id]; in != nil {
		return in.status, nil
	}
	return sidecar.Absent, nil
}

// Purge implements sidecar.Workflows.
func (e *Engine) Purge(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if in := e.instances[id]; in != nil && in.status == sidecar.Running {
		return sidecar.ErrExists
	}
	delete(e.instances, id)
	return nil
}

// Run implements sidecar.WorkflowHost. Instances continue from where the previous Run left them.
func (e *Engine) Run(ctx context.Context) error {
	r := &run{ctx: ctx, work: context.WithoutCancel(ctx)}
	e.mu.Lock()
	if e.run != nil {
		e.mu.Unlock()
		return errors.New("the engine runs already")
	}
	e.run = r
	for _, in := range e.instances {
		e.resume(in)
	}
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	r, e.run = e.run, nil // Crash may have replaced it
	e.changed.Broadcast()
	e.mu.Unlock()
	r.steps.Wait()
	return nil
}

// Crash has the effect of kill -9 and a restart: the results of activities under way are lost, and all instances
// continue from their stored histories.
func (e *Engine) Crash() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.run == nil {
		return
	}
	e.run.crashed = true
	e.run = &run{ctx: e.run.ctx, work: e.run.work}
	e.changed.Broadcast()
	for _, in := range e.instances {
		e.resume(in)
	}
}

// Advance moves the engine's clock forward: waits and retries that are then due happen at once.
func (e *Engine) Advance(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.advanced += d
	e.changed.Broadcast()
}

// Failure returns the error of an instance that has failed.
func (e *Engine) Failure(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if in := e.instances[id]; in != nil {
		return in.failure
	}
	return nil
}

func (e *Engine) now() time.Time { return time.Now().Add(e.advanced) }

// waitForChange waits until something changes, at most until the given time. The caller holds e.mu.
func (e *Engine) waitForChange(until time.Time) {
	alarm := time.AfterFunc(until.Sub(e.now()), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.changed.Broadcast()
	})
	defer alarm.Stop()
	e.changed.Wait()
}
