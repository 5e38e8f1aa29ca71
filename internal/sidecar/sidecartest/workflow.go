package sidecartest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Engine is a workflow engine with its worker running.
type Engine struct {
	sidecar.Workflows
	// Crashes end something with SIGKILL, or as good as that, and bring it back.
	Crashes map[string]func(t *testing.T)
}

// TestWorkflows checks sidecar.Workflows and sidecar.WorkflowHost together. open makes an engine, hands its
// host to register and runs it.
func TestWorkflows(t *testing.T, open func(t *testing.T, register func(sidecar.WorkflowHost)) Engine) {
	b := newBook()
	engine := open(t, b.register)
	for _, c := range []struct {
		name string
		run  func(t *testing.T, e Engine, b *book)
	}{
		{"inputs and results pass as JSON", roundTrip},
		{"an id starts once", startsOnce},
		{"of twenty starters one wins", startContention},
		{"a failed activity is tried again", retries},
		{"the last attempt's error arrives", givesUp},
		{"an error or a panic ends it", fails},
		{"what is ended can be purged", purge},
		{"an event waits and is waited for", events},
		{"a wait ends without an event", timesOut},
		{"again keeps what was raised", again},
		{"time stands still and is told again", times},
		{"the trace travels to activities", traceTravels},
		{"no event without a running workflow", gone},
		{"many at once", manyInstances},
		{"an ended context is an error", endedStart},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, engine, b) })
	}
	for name, crash := range engine.Crashes {
		t.Run("it outlives the end of "+name, func(t *testing.T) { outlives(t, engine, b, crash) })
	}
}

// book is what the suite's activities write down, by instance.
type book struct {
	mu      sync.Mutex
	changed *sync.Cond
	notes   map[string][]json.RawMessage
	tries   map[string]int
	gates   map[string]chan struct{} // an activity of this instance waits until it is closed
}

func newBook() *book {
	b := &book{notes: map[string][]json.RawMessage{}, tries: map[string]int{}, gates: map[string]chan struct{}{}}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// job is the input of the suite's workflows.
type job struct {
	Text  string         `json:"text,omitempty"`
	Nest  map[string]any `json:"nest,omitempty"`
	Fail  int            `json:"fail,omitempty"`  // how often the activity fails before it succeeds
	Tries int            `json:"tries,omitempty"` // of the policy
	Wait  time.Duration  `json:"wait,omitempty"`
	Round int            `json:"round,omitempty"`
}

type note struct {
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}

// quick is the policy of steps that may fail only because something was killed.
var quick = sidecar.RetryPolicy{First: 10 * time.Millisecond, Max: 100 * time.Millisecond}

func (b *book) register(h sidecar.WorkflowHost) {
	h.Activity("note", func(_ context.Context, in json.RawMessage) (any, error) {
		var n note
		if err := json.Unmarshal(in, &n); err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.notes[n.ID] = append(b.notes[n.ID], n.Value)
		b.changed.Broadcast()
		return len(b.notes[n.ID]), nil
	})
	h.Activity("mirror", func(_ context.Context, in json.RawMessage) (any, error) { return in, nil })
	h.Activity("nothing", func(context.Context, json.RawMessage) (any, error) { return nil, nil })
	h.Activity("flaky", func(_ context.Context, in json.RawMessage) (any, error) { return b.flaky(in) })
	h.Activity("gate", func(ctx context.Context, in json.RawMessage) (any, error) {
		var n note
		if err := json.Unmarshal(in, &n); err != nil {
			return nil, err
		}
		select {
		case <-b.gate(n.ID):
			return "opened", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	h.Activity("trace", func(ctx context.Context, _ json.RawMessage) (any, error) {
		trace, _ := telemetry.TraceOf(ctx)
		return trace.ID, nil
	})
	h.Workflow("trace", tracing)
	h.Workflow("round-trip", roundTripping)
	h.Workflow("retry", retrying)
	h.Workflow("fail", func(w sidecar.WorkflowContext) error {
		var j job
		if err := w.Input(&j); err != nil {
			return err
		}
		if j.Text == "panic" {
			panic("as asked")
		}
		return errors.New("as asked")
	})
	h.Workflow("wait", waiting)
	h.Workflow("rounds", rounds)
	h.Workflow("times", timing)
	h.Workflow("gate", gated)
}

// enter writes something down under the instance's id.
func enter(w sidecar.WorkflowContext, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Call("note", note{w.ID(), value}, nil, quick)
}

func (b *book) flaky(in json.RawMessage) (any, error) {
	var f struct {
		ID string
		job
	}
	if err := json.Unmarshal(in, &f); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries[f.ID]++
	switch n := b.tries[f.ID]; {
	case n == 1 && f.Text == "panic":
		panic("first try")
	case n <= f.Fail:
		return nil, fmt.Errorf("try %d", n)
	}
	return b.tries[f.ID], nil
}

func (b *book) gate(id string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gates[id] == nil {
		b.gates[id] = make(chan struct{})
	}
	b.tries[id]++
	b.changed.Broadcast()
	return b.gates[id]
}

// until waits until done holds, which is asked with b.mu held.
func (b *book) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.changed.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(patience)
	b.mu.Lock()
	defer b.mu.Unlock()
	for !done() {
		require.True(t, time.Now().Before(deadline), "waiting for %s", what)
		b.changed.Wait()
	}
}

// wait gives an instance's notes, as JSON, when there are as many as asked for.
func (b *book) wait(t *testing.T, id string, count int) (notes []string) {
	t.Helper()
	b.until(t, fmt.Sprintf("%d notes of %s", count, id), func() bool { return len(b.notes[id]) >= count })
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.notes[id] {
		notes = append(notes, string(n))
	}
	return notes
}

// noted waits until an instance has written this down.
func (b *book) noted(t *testing.T, id, want string) {
	t.Helper()
	b.until(t, fmt.Sprintf("%s of %s", want, id), func() bool {
		return slices.ContainsFunc(b.notes[id], func(n json.RawMessage) bool { return string(n) == want })
	})
}

// tried gives how often an instance's flaky activity was run.
func (b *book) tried(id string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tries[id]
}

func start(t *testing.T, e Engine, name, id string, j job) {
	t.Helper()
	require.NoError(t, e.Start(t.Context(), name, id, j))
}

// ends waits until an instance has the status.
func ends(t *testing.T, e Engine, id string, want sidecar.WorkflowStatus) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assertions) {
		got, err := e.Status(t.Context(), id)
		require.NoError(c, err)
		require.Equal(c, want, got)
	}, patience, 10*time.Millisecond)
}
