package workflowtest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// waitWorkflow waits for an event in each round, and records whether it came.
func waitWorkflow(w sidecar.WorkflowContext) error {
	var in input
	if err := w.Input(&in); err != nil {
		return err
	}
	for i := 0; i <= in.Rounds; i++ {
		got, err := w.Wait("go", in.Wait)
		if err != nil {
			return err
		}
		if err := record(w, []any{got, i}); err != nil {
			return err
		}
	}
	return nil
}

func events(t *testing.T, e Engine, r *recorder) {
	const n = 5
	start(t, e, "wait", "events", input{Wait: time.Hour, Rounds: 2*n - 1})
	for range n {
		require.NoError(t, e.Raise(t.Context(), "events", "other")) // the workflow does not wait for this one
		require.NoError(t, e.Raise(t.Context(), "events", "go"))
	}
	r.waitForNotes(t, "events", n)
	for i := range n { // the workflow is waiting now
		require.NoError(t, e.Raise(t.Context(), "events", "go"))
		r.waitForNotes(t, "events", n+i+1)
	}
	for i, got := range r.waitForNotes(t, "events", 2*n) {
		require.Equal(t, fmt.Sprintf("[true,%d]", i), got)
	}
	waitForStatus(t, e, "events", sidecar.Completed)

	start(t, e, "gate", "events-before", input{}) // its event comes while it runs an activity
	r.until(t, "the activity", func() bool { return r.attempts["events-before"] > 0 })
	require.NoError(t, e.Raise(t.Context(), "events-before", "go"))
	close(r.gate("events-before"))
	require.Equal(t, []string{`[true,false]`}, r.waitForNotes(t, "events-before", 1))
}

// gateWorkflow runs an activity until the gate opens, then receives the events that came meanwhile.
func gateWorkflow(w sidecar.WorkflowContext) error {
	var result string
	if err := w.Call("gate", note{ID: w.ID()}, &result, quick); err != nil || result != "opened" {
		return fmt.Errorf("the gate returned %q: %w", result, err)
	}
	first, err := w.Wait("go", 0)
	if err != nil {
		return err
	}
	second, err := w.Wait("go", -time.Second)
	if err != nil {
		return err
	}
	return record(w, []any{first, second})
}

func timesOut(t *testing.T, e Engine, r *recorder) {
	began := time.Now()
	start(t, e, "wait", "late", input{Wait: 300 * time.Millisecond})
	require.Equal(t, []string{`[false,0]`}, r.waitForNotes(t, "late", 1))
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	waitForStatus(t, e, "late", sidecar.Completed)

	start(t, e, "rounds", "late-then-received", input{Wait: 200 * time.Millisecond, Rounds: 1})
	require.Equal(t, `{"round":1,"got":false}`, r.waitForNotes(t, "late-then-received", 1)[0])
	require.NoError(t, e.Raise(t.Context(), "late-then-received", "tick"))
	waitForStatus(t, e, "late-then-received", sidecar.Completed)
	notes := r.waitForNotes(t, "late-then-received", 2)
	require.Equal(t, `{"round":0,"got":true}`, notes[len(notes)-1])
}

// roundsWorkflow begins a history for each wait, until it has received the event Rounds times.
func roundsWorkflow(w sidecar.WorkflowContext) error {
	var in input
	if err := w.Input(&in); err != nil {
		return err
	}
	got, err := w.Wait("tick", in.Wait)
	if err != nil {
		return err
	}
	if got {
		in.Rounds--
	}
	if err := record(w, struct {
		Round int  `json:"round"`
		Got   bool `json:"got"`
	}{in.Rounds, got}); err != nil {
		return err
	}
	if in.Rounds > 0 {
		w.ContinueAsNew(in)
	}
	return nil
}

func again(t *testing.T, e Engine, r *recorder) {
	const n = 12
	start(t, e, "rounds", "again", input{Wait: time.Hour, Rounds: n})
	for i := range n {
		if i%3 == 0 {
			r.waitForNotes(t, "again", i) // so that not all events come at once
		}
		require.NoError(t, e.Raise(t.Context(), "again", "tick"))
	}
	waitForStatus(t, e, "again", sidecar.Completed)
	for i, got := range r.waitForNotes(t, "again", n) {
		require.Equal(t, fmt.Sprintf(`{"round":%d,"got":true}`, n-1-i), got)
	}
}

// timesWorkflow records the time before a wait, then the times before and after it.
func timesWorkflow(w sidecar.WorkflowContext) error {
	first := w.Now()
	if err := record(w, []time.Time{first}); err != nil {
		return err
	}
	second := w.Now()
	if _, err := w.Wait("never", 50*time.Millisecond); err != nil {
		return err
	}
	return record(w, []time.Time{first, second, w.Now(), w.Now()})
}

func times(t *testing.T, e Engine, r *recorder) {
	began := time.Now()
	start(t, e, "times", "times", input{})
	notes := r.waitForNotes(t, "times", 2)
	var before, after []time.Time
	require.NoError(t, json.Unmarshal([]byte(notes[0]), &before))
	require.NoError(t, json.Unmarshal([]byte(notes[1]), &after))
	require.Equal(t, before[0], after[0])
	require.WithinDuration(t, began, after[0], timeout)
	require.False(t, after[1].Before(after[0]))
	require.GreaterOrEqual(t, after[2].Sub(after[1]), 50*time.Millisecond)
	require.Equal(t, after[2], after[3])
}
