// Package workflowtest is the conformance suite of sidecar.Workflows and sidecar.WorkflowHost.
package workflowtest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Engine is a workflow engine whose worker runs.
type Engine struct {
	sidecar.Workflows
	// Crashes are functions that kill a process and start it again, by the name of the process.
	Crashes map[string]func(t *testing.T)
}

// TestWorkflows checks sidecar.Workflows and sidecar.WorkflowHost together. open makes an engine, passes its host to
// register and runs it.
func TestWorkflows(t *testing.T, open func(t *testing.T, register func(sidecar.WorkflowHost)) Engine) {
	r := newRecorder()
	engine := open(t, r.register)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, e Engine, r *recorder)
	}{
		{"inputs and results are JSON", roundTrip},
		{"an instance starts once", startsOnce},
		{"of twenty concurrent starts one succeeds", startContention},
		{"a failed activity is tried again", retries},
		{"the error of the last attempt reaches the workflow", givesUp},
		{"an error or a panic fails the instance", fails},
		{"an ended instance can be purged", purge},
		{"an event may come before the wait or during it", events},
		{"a wait ends without an event", timesOut},
		{"ContinueAsNew keeps the events that were not received", again},
		{"Now is the same in each replay", times},
		{"the trace reaches activities", traceArrives},
		{"an event needs a running instance", eventNeedsRunningInstance},
		{"many instances at once", manyInstances},
		{"an ended context is an error", endedContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, engine, r) })
	}
	for name, crash := range engine.Crashes {
		t.Run("instances survive a crash of "+name, func(t *testing.T) { survivesCrash(t, engine, r, name, crash) })
	}
}

// input is the input of the workflows.
type input struct {
	Text     string         `json:"text,omitempty"`
	Nested   map[string]any `json:"nested,omitempty"`
	Failures int            `json:"failures,omitempty"` // how often the activity fails before it succeeds
	Attempts int            `json:"attempts,omitempty"` // of the retry policy
	Wait     time.Duration  `json:"wait,omitempty"`     // for the event
	Rounds   int            `json:"rounds,omitempty"`
}

// note is a value that a workflow records.
type note struct {
	ID    string          `json:"id"` // of the instance
	Value json.RawMessage `json:"value"`
}

// quick is the policy of activities that fail only in a crash.
var quick = sidecar.RetryPolicy{First: 10 * time.Millisecond, Max: 100 * time.Millisecond}

// register registers the workflows and activities of the suite.
func (r *recorder) register(h sidecar.WorkflowHost) {
	h.Activity("note", func(_ context.Context, in json.RawMessage) (any, error) {
		var n note
		if err := json.Unmarshal(in, &n); err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notes[n.ID] = append(r.notes[n.ID], n.Value)
		r.changed.Broadcast()
		return len(r.notes[n.ID]), nil
	})
	h.Activity("mirror", func(_ context.Context, in json.RawMessage) (any, error) { return in, nil })
	h.Activity("nothing", func(context.Context, json.RawMessage) (any, error) { return nil, nil })
	h.Activity("flaky", func(_ context.Context, in json.RawMessage) (any, error) { return r.flaky(in) })
	h.Activity("gate", func(ctx context.Context, in json.RawMessage) (any, error) {
		var n note
		if err := json.Unmarshal(in, &n); err != nil {
			return nil, err
		}
		select {
		case <-r.gate(n.ID):
			return "opened", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	h.Activity("trace", func(ctx context.Context, _ json.RawMessage) (any, error) {
		return telemetry.TraceID(ctx), nil
	})
	h.Workflow("trace", traceWorkflow)
	h.Workflow("round-trip", roundTripWorkflow)
	h.Workflow("retry", retryWorkflow)
	h.Workflow("fail", func(w sidecar.WorkflowContext) error {
		var in input
		if err := w.Input(&in); err != nil {
			return err
		}
		if in.Text == "panic" {
			panic("the input asks for it")
		}
		return errors.New("the input asks for it")
	})
	h.Workflow("wait", waitWorkflow)
	h.Workflow("rounds", roundsWorkflow)
	h.Workflow("times", timesWorkflow)
	h.Workflow("gate", gateWorkflow)
}

// timeout is how long a step may take on a busy machine.
const timeout = 60 * time.Second

func start(t *testing.T, e Engine, name, id string, in input) {
	t.Helper()
	require.NoError(t, e.Start(t.Context(), name, id, in))
}

// waitForStatus waits until an instance has the status.
func waitForStatus(t *testing.T, e Engine, id string, want sidecar.WorkflowStatus) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		got, err := e.Status(t.Context(), id)
		require.NoError(c, err)
		require.Equal(c, want, got)
	}, timeout, 10*time.Millisecond)
}
