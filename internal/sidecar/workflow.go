package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"
)

// ErrNotRunning means that no running workflow has the id.
var ErrNotRunning = errors.New("sidecar: no running workflow has this id")

// WorkflowStatus is the status of an instance of a workflow.
type WorkflowStatus string

// The statuses.
const (
	Absent    WorkflowStatus = "absent"  // never started, or purged
	Running   WorkflowStatus = "running" // started, even if its function has not run yet
	Completed WorkflowStatus = "completed"
	Failed    WorkflowStatus = "failed" // its function returned an error or panicked, or an operator terminated it
)

// Workflows starts durable workflows and sends them events. Ids consist of letters, digits, "-" and "_"; the names of
// events are in lower case. It is safe for concurrent use.
type Workflows interface {
	// Start starts an instance of the workflow of this name. After nil it will run, even if processes crash. It
	// returns ErrExists if an instance with this id runs, or has ended and was not purged. There is one gap: if two
	// replicas start the same id at the same moment, and the run of the first ends between the check and the start of
	// the second, the workflow runs a second time. Each action of a workflow must therefore be safe to repeat.
	Start(ctx context.Context, name, id string, input any) error
	// Raise sends an event to a running instance. The instance stores it until its function receives it; each event
	// is received by one Wait. Raise returns ErrNotRunning if no instance with this id runs. After another error the event
	// may arrive all the same, and twice if the caller repeats the call. Events that an instance has not received
	// when it ends are lost.
	Raise(ctx context.Context, id, event string) error
	// Status returns the status of an instance. It may lag behind by one step.
	Status(ctx context.Context, id string) (WorkflowStatus, error)
	// Purge deletes an instance that has ended, so that its id can be started again. It returns ErrExists if the
	// instance runs, and nil if there is no such instance.
	Purge(ctx context.Context, id string) error
}

// Workflow is the function of a workflow. The engine calls it from its start for every step, with the outcomes of
// earlier steps, until it waits for an outcome that is not known yet. It must therefore be deterministic: it takes
// the time and everything from outside from w, starts no goroutines, and changes nothing but its own variables.
// Methods of w that wait leave the function with a panic, so it must not use defer or recover around them.
//
// An error or a panic fails the instance. If the function requests other actions than before, because its code has
// changed while the instance ran or because it is not deterministic, the instance starts over with its input and with
// all events that were raised, received or not. Each action must therefore be safe to repeat.
type Workflow func(w WorkflowContext) error

// WorkflowContext is the only access of a workflow's function to the world. It must not be used by several goroutines.
type WorkflowContext interface {
	// ID returns the id that the instance was started with.
	ID() string
	// Input decodes the input that Start, or the last ContinueAsNew, was given.
	Input(v any) error
	// Now returns the time of the last outcome that the function has received. It is the same in each replay.
	Now() time.Time
	// Call runs an activity and waits for its result, which it decodes into out unless out is nil. An activity that
	// fails is tried again as the policy says, across restarts too; the error is that of the last attempt. The
	// activity runs at least once, and again if a process crashes before the result is stored.
	Call(activity string, in, out any, retry RetryPolicy) error
	// Wait waits for an event, at most d, and returns whether it came. An event that was raised before is received at
	// once. If d is zero or negative, Wait receives only such an event.
	Wait(event string, d time.Duration) (got bool, err error)
	// ContinueAsNew makes the instance start over when its function returns nil: with this input and an empty history, but
	// with the events that it has not received. A workflow with a loop must call it now and then: each round makes
	// later steps slower, and a history of 4 MB stops the instance.
	ContinueAsNew(input any)
}

// Activity performs an action of a workflow. in is the JSON of the input that Call was given; the result is stored as
// JSON. An error means that the engine must try again. A refusal that the workflow must know of is a result, not an
// error.
type Activity func(ctx context.Context, in json.RawMessage) (out any, err error)

// WorkflowHost runs workflows and activities. Register all of them before Run. An instance needs the function of its
// name as long as it runs: without it, it fails.
type WorkflowHost interface {
	// Workflow registers the function of a workflow.
	Workflow(name string, fn Workflow)
	// Activity registers an activity.
	Activity(name string, fn Activity)
	// Run works until ctx ends, even if the sidecar restarts meanwhile. Then it accepts no new work, waits a limited
	// time for the activities under way, and returns nil.
	Run(ctx context.Context) error
}

// RetryPolicy determines when a failed activity is tried again. Stored histories contain the names of its fields.
type RetryPolicy struct {
	First    time.Duration // the wait after the first failure; 1 s if zero
	Backoff  float64       // the factor between one wait and the next; 2 if zero
	Max      time.Duration // the longest wait; 1 min if zero
	Attempts int           // the number of attempts, the first one included; unlimited if zero
}

// After returns the wait after a failed attempt; attempts are counted from 1. more is false after the last attempt.
func (p RetryPolicy) After(attempt int) (wait time.Duration, more bool) {
	if p.Attempts > 0 && attempt >= p.Attempts {
		return 0, false
	}
	if p.First <= 0 {
		p.First = time.Second
	}
	if p.Backoff <= 0 {
		p.Backoff = 2
	}
	if p.Max <= 0 {
		p.Max = time.Minute
	}
	next := float64(p.First) * math.Pow(p.Backoff, float64(attempt-1))
	return time.Duration(min(next, float64(p.Max))), true
}
