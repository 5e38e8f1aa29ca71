package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"
)

// ErrGone means that no running workflow has the id.
var ErrGone = errors.New("sidecar: no running workflow has this id")

// WorkflowStatus is how far an instance has come.
type WorkflowStatus string

// The statuses.
const (
	Absent    WorkflowStatus = "absent"  // never started, or purged since
	Running   WorkflowStatus = "running" // started, whether or not it has taken its first step
	Completed WorkflowStatus = "completed"
	Failed    WorkflowStatus = "failed" // its function returned an error or panicked, or somebody terminated it
)

// Workflows starts durable workflows and speaks to them. Ids are of letters, digits, "-" and "_"; events
// are named in lower case.
type Workflows interface {
	// Start begins the workflow of this name under id; nil means that it will run, whatever is killed.
	// ErrExists if an instance of that id runs, or has ended and was not purged. (Between the end of an
	// instance and its purge, two Starts at the same moment, on two replicas, may both find it absent if it
	// was begun and completed between their looks: what a workflow does must stand being done again.)
	Start(ctx context.Context, name, id string, input any) error
	// Raise hands an event to a running instance, which keeps it until it waits for it; each is taken by one
	// Wait. ErrGone if no instance of that id runs. After another error it may arrive, and again when the
	// caller raises it again. What an instance has not taken when it ends is lost.
	Raise(ctx context.Context, id, event string) error
	// Status tells how far the instance has come. It may lag behind by the step that is being taken.
	Status(ctx context.Context, id string) (WorkflowStatus, error)
	// Purge forgets an instance that has ended; its id can be started again. One that runs stays: ErrExists.
	// One that is not there is no error.
	Purge(ctx context.Context, id string) error
}

// Workflow is the function of a workflow. It is run again from its start whenever there is news, with what
// it was told before, until it gets further: so it must do the same each time. It asks w alone for the time
// and for everything from outside, starts no goroutines, defers and recovers nothing around w's methods
// (those that have to wait leave it with a panic), and changes nothing but its own variables.
//
// An error ends the instance as failed, and so does a panic. A function that goes another way than before
// (its code has changed while the instance ran, or it is not deterministic) starts over with the input that
// it had and the events that it was raised, taken or not. So each step must stand being done again.
type Workflow func(w WorkflowContext) error

// WorkflowContext is what a workflow sees.
type WorkflowContext interface {
	ID() string
	// Input decodes what Start, or the last Again, was given.
	Input(v any) error
	// Now is when the news came that the workflow is run for. It stands still between two waits.
	Now() time.Time
	// Call runs an activity and waits for its result, which is decoded into out if that is not nil. An
	// activity that failed is tried again as the policy says, after restarts too; the error is the last
	// attempt's. It runs at least once, and again if a process dies before its result is stored.
	Call(activity string, in, out any, retry RetryPolicy) error
	// Wait waits for an event, at most d, and tells whether it came. One that was raised before is taken at
	// once; with a d of zero or less only such a one.
	Wait(event string, d time.Duration) (got bool, err error)
	// Again starts the workflow over when its function returns nil: with this input and no history, but with
	// the events that it has not taken. A workflow that goes round and round has to, for each round makes
	// every later step dearer, and a history of 4 MB stops it.
	Again(input any)
}

// Activity does a workflow's work; in is the JSON of what Call was given. What it returns is stored as
// JSON. An error means "try again": a refusal that the workflow has to know of is a result.
type Activity func(ctx context.Context, in json.RawMessage) (out any, err error)

// WorkflowHost runs workflows and activities. Register all before Run. A running instance needs the
// function of its name for as long as it lives: without it, it fails.
type WorkflowHost interface {
	Workflow(name string, fn Workflow)
	Activity(name string, fn Activity)
	// Run works until ctx ends, whatever happens to the sidecar meanwhile. Then it takes no new work, lets
	// the activities under way finish within a bound, and returns nil.
	Run(ctx context.Context) error
}

// RetryPolicy says when a failed activity is tried again.
type RetryPolicy struct {
	First    time.Duration // wait after the first failure; 1 s if zero
	Backoff  float64       // each further wait is so many times the one before; 2 if zero
	Max      time.Duration // no wait is longer; 1 min if zero
	Attempts int           // how often to try, the first time included; for ever if zero
}

// After tells how long to wait after the failure of an attempt, counted from 1; no more if it was the last.
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
