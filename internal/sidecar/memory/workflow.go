package memory

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

// Workflows is a workflow engine in memory. As the real one does, it runs a workflow's function again from
// the start for every step and checks that it asks for the same things. A function that does not fails here,
// so that tests find it, instead of starting over. What it does not simulate: results that arrive twice, the cost of a long
// history, and that starting or raising fails while the scheduler is away.
type Workflows struct {
	mu         sync.Mutex
	changed    *sync.Cond // anything that a step may wait for
	workflows  map[string]sidecar.Workflow
	activities map[string]sidecar.Activity
	instances  map[string]*instance
	ahead      time.Duration // of the clock, by Advance
	run        *run          // nil while nobody runs
}

// run is a worker's life: from Run to the end of its context, or to a crash.
type run struct {
	ctx     context.Context
	work    context.Context // of activities, which outlive ctx
	crashed bool
	steps   sync.WaitGroup
}

type instance struct {
	name, id string
	input    []byte
	trace    string // of who started it
	status   sidecar.WorkflowStatus
	failure  error
	events   map[string]int // raised and not taken
	begun    time.Time
	journal  []answer // what the function was told, in order
	attempts int      // failures of the activity that is being called
}

type answer struct {
	asked  string // what for
	result []byte
	err    error
	got    bool
	at     time.Time
}

// NewWorkflows makes an engine without instances.
func NewWorkflows() *Workflows {
	e := &Workflows{
		workflows: map[string]sidecar.Workflow{}, activities: map[string]sidecar.Activity{}, instances: map[string]*instance{},
	}
	e.changed = sync.NewCond(&e.mu)
	return e
}

var (
	_ sidecar.Workflows    = (*Workflows)(nil)
	_ sidecar.WorkflowHost = (*Workflows)(nil)
)

// Workflow implements sidecar.WorkflowHost.
func (e *Workflows) Workflow(name string, fn sidecar.Workflow) { e.workflows[name] = fn }

// Activity implements sidecar.WorkflowHost.
func (e *Workflows) Activity(name string, fn sidecar.Activity) { e.activities[name] = fn }

// Start implements sidecar.Workflows. What is started while nobody runs waits for that.
func (e *Workflows) Start(ctx context.Context, name, id string, input any) error {
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
	in := &instance{name: name, id: id, input: data, status: sidecar.Running, events: map[string]int{}, begun: e.now()}
	if t, ok := telemetry.TraceOf(ctx); ok {
		in.trace = t.Parent()
	}
	e.instances[id] = in
	e.drive(in)
	return nil
}

// Raise implements sidecar.Workflows.
func (e *Workflows) Raise(ctx context.Context, id, event string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	in := e.instances[id]
	if in == nil || in.status != sidecar.Running {
		return sidecar.ErrGone
	}
	in.events[event]++
	e.changed.Broadcast()
	return nil
}

// Status implements sidecar.Workflows.
func (e *Workflows) Status(ctx context.Context, id string) (sidecar.WorkflowStatus, error) {
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
func (e *Workflows) Purge(ctx context.Context, id string) error {
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

// Run implements sidecar.WorkflowHost: instances go on where the last Run left them.
func (e *Workflows) Run(ctx context.Context) error {
	r := &run{ctx: ctx, work: context.WithoutCancel(ctx)}
	e.mu.Lock()
	if e.run != nil {
		e.mu.Unlock()
		return errors.New("somebody runs these workflows already")
	}
	e.run = r
	for _, in := range e.instances {
		e.drive(in)
	}
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	r, e.run = e.run, nil // another one after a crash
	e.changed.Broadcast()
	e.mu.Unlock()
	r.steps.Wait()
	return nil
}

// Crash is what kill -9 and a restart would do: the results of activities under way are lost, and all
// instances go on from what was stored.
func (e *Workflows) Crash() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.run == nil {
		return
	}
	e.run.crashed = true
	e.run = &run{ctx: e.run.ctx, work: e.run.work}
	e.changed.Broadcast()
	for _, in := range e.instances {
		e.drive(in)
	}
}

// Advance puts the clock forward, for workflows and retries alone: what is then due happens at once.
func (e *Workflows) Advance(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead += d
	e.changed.Broadcast()
}

// Failure tells why an instance failed.
func (e *Workflows) Failure(id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if in := e.instances[id]; in != nil {
		return in.failure
	}
	return nil
}

func (e *Workflows) now() time.Time { return time.Now().Add(e.ahead) }

// sleep waits until the time has come, or something changed. e.mu is held.
func (e *Workflows) sleep(until time.Time) {
	alarm := time.AfterFunc(until.Sub(e.now()), func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.changed.Broadcast()
	})
	defer alarm.Stop()
	e.changed.Wait()
}
