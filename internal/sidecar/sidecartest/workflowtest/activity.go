package workflowtest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// roundTripWorkflow records its input, the same after an activity, and whether a result of a wrong type is an error.
func roundTripWorkflow(w sidecar.WorkflowContext) error {
	var in, out input
	if err := w.Input(&in); err != nil {
		return err
	}
	if err := w.Call("mirror", in, &out, quick); err != nil {
		return err
	}
	if err := w.Call("mirror", out, nil, quick); err != nil { // without a result
		return err
	}
	var none *input
	if err := w.Call("nothing", nil, &none, quick); err != nil || none != nil {
		return fmt.Errorf("the activity nothing returned %v: %w", none, err)
	}
	var wrong int
	return record(w, []any{in, out, w.Call("mirror", "text", &wrong, quick) != nil})
}

func roundTrip(t *testing.T, e Engine, r *recorder) {
	in := input{
		Text: "a \"b\" ü \u2028 </x>", Nested: map[string]any{"n": 1.5, "list": []any{"x", nil, true}}, Rounds: 1 << 40,
	}
	start(t, e, "round-trip", "round-trip", in)
	want, err := json.Marshal([]any{in, in, true})
	require.NoError(t, err)
	require.JSONEq(t, string(want), r.waitForNotes(t, "round-trip", 1)[0])
	waitForStatus(t, e, "round-trip", sidecar.Completed)
}

// retryWorkflow records how often the activity was attempted, or its error.
func retryWorkflow(w sidecar.WorkflowContext) error {
	var in input
	if err := w.Input(&in); err != nil {
		return err
	}
	var attempts int
	policy := sidecar.RetryPolicy{
		First: 10 * time.Millisecond, Backoff: 1.5, Max: 50 * time.Millisecond, Attempts: in.Attempts,
	}
	err := w.Call("flaky", map[string]any{"ID": w.ID(), "failures": in.Failures, "text": in.Text}, &attempts, policy)
	if err != nil {
		return record(w, err.Error())
	}
	return record(w, attempts)
}

func retries(t *testing.T, e Engine, r *recorder) {
	start(t, e, "retry", "retry-never", input{})
	start(t, e, "retry", "retry-thrice", input{Failures: 3, Text: "panic"})
	start(t, e, "retry", "retry-often", input{Failures: 25}) // more attempts than one history should contain
	start(t, e, "retry", "retry-just", input{Failures: 2, Attempts: 3})
	require.Equal(t, []string{"1"}, r.waitForNotes(t, "retry-never", 1))
	require.Equal(t, []string{"4"}, r.waitForNotes(t, "retry-thrice", 1))
	require.Equal(t, []string{"26"}, r.waitForNotes(t, "retry-often", 1))
	require.Equal(t, []string{"3"}, r.waitForNotes(t, "retry-just", 1))
}

func givesUp(t *testing.T, e Engine, r *recorder) {
	start(t, e, "retry", "gives-up", input{Failures: 5, Attempts: 2})
	require.Contains(t, r.waitForNotes(t, "gives-up", 1)[0], "attempt 2")
	require.Equal(t, 2, r.attemptsOf("gives-up"))
	waitForStatus(t, e, "gives-up", sidecar.Completed) // the workflow has handled the error
}

// traceWorkflow records the trace that its activity sees, before and after ContinueAsNew.
func traceWorkflow(w sidecar.WorkflowContext) error {
	var again, trace string
	if err := w.Input(&again); err != nil {
		return err
	}
	if err := w.Call("trace", nil, &trace, quick); err != nil {
		return err
	}
	if again == "" {
		w.ContinueAsNew("again")
	}
	return record(w, trace)
}

func traceArrives(t *testing.T, e Engine, r *recorder) {
	// Dapr's engine hands on only traces that are recorded.
	const recorded = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx, span := telemetry.Enter(t.Context(), "start", telemetry.Entry{TraceParent: recorded})
	defer span.End()
	require.NoError(t, e.Start(ctx, "trace", "trace", nil))
	id := `"` + telemetry.TraceID(ctx) + `"`
	require.Equal(t, []string{id, id}, r.waitForNotes(t, "trace", 2))
}
