package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/dapr/durabletask-go/task"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
)

// replayContext implements sidecar.WorkflowContext for one replay.
type replayContext struct {
	library   *task.WorkflowContext
	id        string
	events    []*protos.HistoryEvent // the library reads this slice; events that it has not read may be replaced
	early     []result               // their placeholders are the last elements of events
	recorded  map[int32]action       // the actions of earlier replays, by number
	requested int32                  // how many actions this replay has requested
	again     json.RawMessage        // the input that ContinueAsNew was given
}

func newContext(
	library *task.WorkflowContext, id string, events []*protos.HistoryEvent, early []result,
) *replayContext {
	c := &replayContext{library: library, id: id, events: events, early: early, recorded: map[int32]action{}}
	for _, e := range events {
		if a, ok := actionOf(e); ok {
			c.recorded[e.GetEventId()] = a
		}
	}
	return c
}

// run calls the workflow's function.
func (c *replayContext) run(fn sidecar.Workflow) error {
	if fn == nil {
		return errors.New("no workflow of this name is registered")
	}
	if err := fn(c); err != nil {
		return err
	}
	if c.again != nil {
		c.library.ContinueAsNew(c.again, task.WithKeepUnprocessedEvents())
	}
	return nil
}

// request numbers the next action, before the library is asked for it, and returns the number. It panics with a
// divergence if earlier replays requested another action at this point: the library compares little more than the
// numbers, and would give the function the result of the other action.
func (c *replayContext) request(a action) int32 {
	number := c.requested
	if before, ok := c.recorded[number]; ok && before != a {
		panic(divergence(fmt.Sprintf("the function requested %s, before it requested %s", a, before)))
	}
	c.requested++
	for i, r := range c.early {
		if r.number == number && r.kind == a.kind {
			c.events[len(c.events)-len(c.early)+i] = r.event
		}
	}
	return number
}

// ID implements sidecar.WorkflowContext.
func (c *replayContext) ID() string { return c.id }

// Input implements sidecar.WorkflowContext.
func (c *replayContext) Input(v any) error { return c.library.GetInput(v) }

// Now implements sidecar.WorkflowContext.
func (c *replayContext) Now() time.Time { return c.library.CurrentTimeUtc }

// ContinueAsNew implements sidecar.WorkflowContext.
func (c *replayContext) ContinueAsNew(input any) {
	data, err := json.Marshal(input)
	if err != nil {
		panic(err)
	}
	c.again = data
}

// Wait implements sidecar.WorkflowContext.
func (c *replayContext) Wait(event string, d time.Duration) (bool, error) {
	err := c.library.WaitForSingleEvent(event, 0).Await(nil)
	if d > 0 && errors.Is(err, task.ErrTaskCanceled) {
		timer := c.request(action{timerKind, event})
		if err = c.library.WaitForSingleEvent(event, d).Await(nil); err == nil {
			c.disarm(timer)
		}
	}
	if errors.Is(err, task.ErrTaskCanceled) {
		return false, nil
	}
	if err != nil {
		panic(divergence(err.Error()))
	}
	return true, nil
}

// disarm removes the firing of a timer from the rest of the replay, because its wait has received the event. The engine
// cancels most of these timers. If one fires all the same, the library forgets the wait for this event that is then
// pending, and the workflow misses the event (dapr/durabletask-go#114, not in v0.12.1).
func (c *replayContext) disarm(timer int32) {
	for i, e := range c.events {
		if fired := e.GetTimerFired(); fired != nil && fired.GetTimerId() == timer {
			c.events[i] = placeholder
		}
	}
}

// Call implements sidecar.WorkflowContext.
func (c *replayContext) Call(activity string, in, out any, retry sidecar.RetryPolicy) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", activity, err)
	}
	if len(data) > MaxPayload {
		return fmt.Errorf("call %s: an input of %d bytes is too large", activity, len(data))
	}
	result, err := c.callActivity(&activityCall{Activity: activity, Input: data, Policy: retry})
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("result of %s: %w", activity, err)
	}
	return nil
}

// attempt runs an activity once.
func (c *replayContext) attempt(call *activityCall) (result json.RawMessage, err error) {
	c.request(action{activityKind, call.Activity})
	input := task.WithRawActivityInput(wrapperspb.String(string(call.Input)))
	if err = c.library.CallActivity(call.Activity, input).Await(&result); err == nil {
		return result, nil
	}
	return nil, fmt.Errorf("activity %s: %s", call.Activity, failureText(err))
}

// failurePrefix distinguishes the failure of an activity or a child workflow from an error of the library, which gives
// both as text.
const failurePrefix = "task failed with an error: "

// failureText returns the error text of an activity or a child workflow that failed. It panics with a divergence if
// err is an error of the library.
func failureText(err error) string {
	text, failed := strings.CutPrefix(err.Error(), failurePrefix)
	if !failed {
		panic(divergence(text))
	}
	return text
}
