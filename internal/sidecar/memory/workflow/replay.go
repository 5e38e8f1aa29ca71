package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// alive reports whether the run may still change instances. The caller holds e.mu.
func (r *run) alive() bool { return !r.crashed && r.ctx.Err() == nil }

// resume starts a goroutine that executes the steps of an instance, if the engine runs. The caller holds e.mu.
func (e *Engine) resume(in *instance) {
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

// step calls the function until it waits for the outcome of an action or ends, waits for the outcome, and records it. A
// run that has crashed records nothing. The caller holds e.mu.
func (e *Engine) step(r *run, in *instance) {
	c := &replayContext{in: in, input: in.input, history: in.history, now: in.begun}
	e.mu.Unlock()
	err := c.replay(e.workflows[in.name])
	e.mu.Lock()
	if !r.alive() {
		return
	}
	switch {
	case c.perform != nil:
		o, ok := c.perform(e, r)
		if !ok {
			return
		}
		o.action, o.at = c.action, e.now()
		in.history, in.attempts = append(in.history, o), 0
	case err != nil:
		in.status, in.failure = sidecar.Failed, err
	case c.again != nil:
		in.input, in.history, in.begun = c.again, nil, e.now()
	default:
		in.status = sidecar.Completed
	}
}

// perform waits for the outcome of an action. ok is false if the run ends before. It is called with e.mu held.
type perform func(e *Engine, r *run) (o outcome, ok bool)

// replayContext implements sidecar.WorkflowContext for one replay. It contains copies, because after a crash two
// replays of an instance may be under way.
type replayContext struct {
	in      *instance
	input   []byte
	history []outcome
	now     time.Time
	next    int     // index in history of the next outcome
	again   []byte  // the input that ContinueAsNew was given
	action  string  // the first action without an outcome
	perform perform // of that action
}

var _ sidecar.WorkflowContext = (*replayContext)(nil)

// errBlocked is the panic value that leaves a function which waits for an outcome.
var errBlocked = errors.New("blocked")

func (c *replayContext) replay(fn sidecar.Workflow) (err error) {
	if fn == nil {
		return fmt.Errorf("no workflow %s is registered", c.in.name)
	}
	defer func() {
		if p := recover(); p != nil && p != errBlocked {
			c.perform, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	if c.next < len(c.history) {
		return fmt.Errorf("not deterministic: the function ended, before it requested %s", c.history[c.next].action)
	}
	return nil
}

// request returns the recorded outcome of an action. If there is none, it leaves the function.
func (c *replayContext) request(action string, perform perform) outcome {
	if c.next == len(c.history) {
		c.action, c.perform = action, perform
		panic(errBlocked)
	}
	o := c.history[c.next]
	if o.action != action {
		panic(fmt.Sprintf("not deterministic: the function requested %s, before it requested %s", action, o.action))
	}
	c.next++
	c.now = o.at
	return o
}

// ID implements sidecar.WorkflowContext.
func (c *replayContext) ID() string { return c.in.id }

// Input implements sidecar.WorkflowContext.
func (c *replayContext) Input(v any) error { return json.Unmarshal(c.input, v) }

// Now implements sidecar.WorkflowContext.
func (c *replayContext) Now() time.Time { return c.now }

// ContinueAsNew implements sidecar.WorkflowContext.
func (c *replayContext) ContinueAsNew(input any) {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	c.again = data
}

// Call implements sidecar.WorkflowContext.
func (c *replayContext) Call(activity string, in, out any, retry sidecar.RetryPolicy) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", activity, err)
	}
	o := c.request("activity "+activity, func(e *Engine, r *run) (outcome, bool) {
		return e.runActivity(r, c.in, activity, data, retry)
	})
	if o.err != nil || out == nil {
		return o.err
	}
	if err := json.Unmarshal(o.result, out); err != nil {
		return fmt.Errorf("result of %s: %w", activity, err)
	}
	return nil
}

// runActivity attempts an activity until it succeeds or the policy ends. The caller holds e.mu, which is unlocked
// during each attempt.
func (e *Engine) runActivity(
	r *run, in *instance, activity string, input []byte, retry sidecar.RetryPolicy,
) (o outcome, ok bool) {
	for {
		e.mu.Unlock()
		ctx, span := telemetry.Enter(r.work, "activity "+activity, telemetry.Entry{
			Kind: trace.SpanKindServer, TraceParent: in.trace,
		})
		result, err := attempt(ctx, e.activities[activity], activity, bytes.Clone(input))
		span.End()
		e.mu.Lock()
		if r.crashed {
			return outcome{}, false
		}
		if err == nil {
			return outcome{result: result}, true
		}
		in.attempts++
		wait, more := retry.After(in.attempts)
		if !more {
			return outcome{err: fmt.Errorf("activity %s: %w", activity, err)}, true
		}
		for due := e.now().Add(wait); r.alive() && e.now().Before(due); {
			e.waitForChange(due)
		}
		if !r.alive() {
			return outcome{}, false
		}
	}
}

// attempt calls an activity and encodes its result. A panic is an error.
func attempt(
	ctx context.Context, fn sidecar.Activity, name string, input []byte,
) (result []byte, err error) {
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
		return nil, errors.New(err.Error()) // a real engine stores only the text
	}
	return json.Marshal(out)
}

// Wait implements sidecar.WorkflowContext.
func (c *replayContext) Wait(event string, d time.Duration) (bool, error) {
	due := c.now.Add(max(d, 0))
	return c.request("event "+event, func(e *Engine, r *run) (outcome, bool) {
		for ; r.alive(); e.waitForChange(due) {
			if c.in.events[event] > 0 {
				c.in.events[event]--
				return outcome{received: true}, true
			}
			if !e.now().Before(due) {
				return outcome{}, true
			}
		}
		return outcome{}, false
	}).received, nil
}
