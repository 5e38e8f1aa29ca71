package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// alive reports whether a run may still change anything. e.mu is held.
func (r *run) alive() bool { return !r.crashed && r.ctx.Err() == nil }

// drive goes on with an instance, if anybody runs. e.mu is held.
func (e *Workflows) drive(in *instance) {
	r := e.run
	if r == nil || !r.alive() || in.status != sidecar.Running {
		return
	}
	r.steps.Add(1)
	go func() {
		defer r.steps.Done()
		e.mu.Lock()
		defer e.mu.Unlock()
		for r.alive() && in.status == sidecar.Running {
			e.step(r, in)
		}
	}()
}

// step runs the function as far as it gets, then waits for what it asked for and writes that down. Nothing
// is written by a run that has crashed.
func (e *Workflows) step(r *run, in *instance) {
	c := &view{in: in, input: in.input, journal: in.journal, now: in.begun}
	e.mu.Unlock()
	err := c.replay(e.workflows[in.name])
	e.mu.Lock()
	if !r.alive() {
		return
	}
	switch {
	case c.asks != nil:
		a, ok := c.asks(e, r)
		if !ok {
			return
		}
		a.asked, a.at = c.asked, e.now()
		in.journal, in.attempts = append(in.journal, a), 0
	case err != nil:
		in.status, in.failure = sidecar.Failed, err
	case c.again != nil:
		in.input, in.journal, in.begun = c.again, nil, e.now()
	default:
		in.status = sidecar.Completed
	}
}

// view is what a workflow sees in one replay. It holds copies: after a crash two may be under way.
type view struct {
	in      *instance
	input   []byte
	journal []answer
	now     time.Time
	told    int // answers of the journal
	again   []byte
	asked   string
	asks    func(*Workflows, *run) (answer, bool) // gets what the function waits for
}

var _ sidecar.WorkflowContext = (*view)(nil)

// errBlocked is the panic that ends a replay which waits for something.
var errBlocked = errors.New("blocked")

func (c *view) replay(fn sidecar.Workflow) (err error) {
	if fn == nil {
		return fmt.Errorf("no workflow %s is registered", c.in.name)
	}
	defer func() {
		if p := recover(); p != nil && p != errBlocked {
			c.asks, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	if c.told < len(c.journal) {
		return fmt.Errorf("not deterministic: it ended where it had asked for %s", c.journal[c.told].asked)
	}
	return nil
}

// tell gives the next answer of the journal, or leaves the function to get it.
func (c *view) tell(asked string, ask func(*Workflows, *run) (answer, bool)) answer {
	if c.told == len(c.journal) {
		c.asked, c.asks = asked, ask
		panic(errBlocked)
	}
	a := c.journal[c.told]
	if a.asked != asked {
		panic(fmt.Sprintf("not deterministic: it asked for %s where it had asked for %s", asked, a.asked))
	}
	c.told++
	c.now = a.at
	return a
}

// ID implements sidecar.WorkflowContext.
func (c *view) ID() string { return c.in.id }

// Input implements sidecar.WorkflowContext.
func (c *view) Input(v any) error { return json.Unmarshal(c.input, v) }

// Now implements sidecar.WorkflowContext.
func (c *view) Now() time.Time { return c.now }

// Again implements sidecar.WorkflowContext.
func (c *view) Again(input any) {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	c.again = data
}

// Call implements sidecar.WorkflowContext.
func (c *view) Call(activity string, in, out any, retry sidecar.RetryPolicy) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", activity, err)
	}
	a := c.tell("activity "+activity, func(e *Workflows, r *run) (answer, bool) {
		return e.perform(r, c.in, activity, data, retry)
	})
	if a.err != nil || out == nil {
		return a.err
	}
	if err := json.Unmarshal(a.result, out); err != nil {
		return fmt.Errorf("result of %s: %w", activity, err)
	}
	return nil
}

// perform runs an activity until it succeeds or the policy gives up. e.mu is held except while it runs.
func (e *Workflows) perform(r *run, in *instance, activity string, input []byte, retry sidecar.RetryPolicy) (answer, bool) {
	for {
		e.mu.Unlock()
		ctx := telemetry.WithTrace(r.work, telemetry.NewTrace(in.trace, ""))
		result, err := attempt(ctx, e.activities[activity], activity, bytes.Clone(input))
		e.mu.Lock()
		if r.crashed {
			return answer{}, false
		}
		if err == nil {
			return answer{result: result}, true
		}
		in.attempts++
		wait, more := retry.After(in.attempts)
		if !more {
			return answer{err: fmt.Errorf("activity %s: %w", activity, err)}, true
		}
		for due := e.now().Add(wait); e.now().Before(due); e.sleep(due) {
			if !r.alive() {
				return answer{}, false
			}
		}
		if !r.alive() {
			return answer{}, false
		}
	}
}

func attempt(ctx context.Context, fn sidecar.Activity, name string, input []byte) (result []byte, err error) {
	if fn == nil {
		return nil, fmt.Errorf("no activity %s is registered", name)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out, err := fn(ctx, input)
	if err != nil {
		return nil, errors.New(err.Error()) // only the text is stored
	}
	return json.Marshal(out)
}

// Wait implements sidecar.WorkflowContext.
func (c *view) Wait(event string, d time.Duration) (bool, error) {
	due := c.now.Add(max(d, 0))
	return c.tell("event "+event, func(e *Workflows, r *run) (answer, bool) {
		for ; r.alive(); e.sleep(due) {
			if c.in.events[event] > 0 {
				c.in.events[event]--
				return answer{got: true}, true
			}
			if !e.now().Before(due) {
				return answer{}, true
			}
		}
		return answer{}, false
	}).got, nil
}
