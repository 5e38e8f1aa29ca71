package workflowtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// recorder contains what the activities record, by the id of the instance.
type recorder struct {
	mu       sync.Mutex
	changed  *sync.Cond
	notes    map[string][]json.RawMessage
	attempts map[string]int           // of "flaky" and "gate"
	gates    map[string]chan struct{} // "gate" waits until the gate is closed
}

func newRecorder() *recorder {
	r := &recorder{notes: map[string][]json.RawMessage{}, attempts: map[string]int{}, gates: map[string]chan struct{}{}}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// record calls the activity that records a value.
func record(w sidecar.WorkflowContext, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Call("note", note{w.ID(), value}, nil, quick)
}

// flaky is the activity that fails as often as its input says, the first time with a panic if the text is "panic".
func (r *recorder) flaky(in json.RawMessage) (any, error) {
	var f struct {
		ID string
		input
	}
	if err := json.Unmarshal(in, &f); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts[f.ID]++
	switch n := r.attempts[f.ID]; {
	case n == 1 && f.Text == "panic":
		panic("first attempt")
	case n <= f.Failures:
		return nil, fmt.Errorf("attempt %d", n)
	}
	return r.attempts[f.ID], nil
}

// gate counts an attempt and returns the gate of an instance.
func (r *recorder) gate(id string) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gates[id] == nil {
		r.gates[id] = make(chan struct{})
	}
	r.attempts[id]++
	r.changed.Broadcast()
	return r.gates[id]
}

// until waits until done returns true. It calls done with r.mu locked.
func (r *recorder) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.AfterFunc(timeout, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(timeout)
	r.mu.Lock()
	defer r.mu.Unlock()
	for !done() {
		require.True(t, time.Now().Before(deadline), "timeout waiting for %s", what)
		r.changed.Wait()
	}
}

// waitForNotes returns the notes of an instance, as JSON, once there are count.
func (r *recorder) waitForNotes(t *testing.T, id string, count int) (notes []string) {
	t.Helper()
	r.until(t, fmt.Sprintf("%d notes of %s", count, id), func() bool { return len(r.notes[id]) >= count })
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.notes[id] {
		notes = append(notes, string(n))
	}
	return notes
}

// waitForNote waits until an instance has recorded this value.
func (r *recorder) waitForNote(t *testing.T, id, want string) {
	t.Helper()
	r.until(t, fmt.Sprintf("%s of %s", want, id), func() bool {
		return slices.ContainsFunc(r.notes[id], func(n json.RawMessage) bool { return string(n) == want })
	})
}

// attemptsOf returns how often an activity of the instance was attempted.
func (r *recorder) attemptsOf(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[id]
}
