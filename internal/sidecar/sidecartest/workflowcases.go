package sidecartest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

type assertions = assert.CollectT

func roundTripping(w sidecar.WorkflowContext) error {
	var in, out job
	if err := w.Input(&in); err != nil {
		return err
	}
	if err := w.Call("mirror", in, &out, quick); err != nil {
		return err
	}
	if err := w.Call("mirror", out, nil, quick); err != nil { // a result nobody wants
		return err
	}
	var none *job
	if err := w.Call("nothing", nil, &none, quick); err != nil || none != nil {
		return fmt.Errorf("nothing gave %v: %w", none, err)
	}
	var wrong int
	return enter(w, []any{in, out, w.Call("mirror", "text", &wrong, quick) != nil})
}

func roundTrip(t *testing.T, e Engine, b *book) {
	j := job{Text: "a \"b\" ü \u2028 </x>", Nest: map[string]any{"n": 1.5, "list": []any{"x", nil, true}}, Round: 1 << 40}
	start(t, e, "round-trip", "round-trip", j)
	want, err := json.Marshal([]any{j, j, true})
	require.NoError(t, err)
	require.JSONEq(t, string(want), b.wait(t, "round-trip", 1)[0])
	ends(t, e, "round-trip", sidecar.Completed)
}

func startsOnce(t *testing.T, e Engine, b *book) {
	status, err := e.Status(t.Context(), "once")
	require.NoError(t, err)
	require.Equal(t, sidecar.Absent, status)
	start(t, e, "wait", "once", job{Wait: time.Hour})
	status, err = e.Status(t.Context(), "once")
	require.NoError(t, err)
	require.Equal(t, sidecar.Running, status)
	require.ErrorIs(t, e.Start(t.Context(), "wait", "once", job{Text: "other"}), sidecar.ErrExists)
	require.NoError(t, e.Raise(t.Context(), "once", "go"))
	require.Equal(t, []string{`[true,0]`}, b.wait(t, "once", 1))
	ends(t, e, "once", sidecar.Completed)
	require.ErrorIs(t, e.Start(t.Context(), "wait", "once", job{Text: "other"}), sidecar.ErrExists)
	require.Len(t, b.wait(t, "once", 1), 1)
}

func startContention(t *testing.T, e Engine, b *book) {
	const n = 20
	var wg sync.WaitGroup
	release, errs := make(chan struct{}), make([]error, n)
	for i := range n {
		wg.Go(func() {
			<-release
			errs[i] = e.Start(t.Context(), "wait", "contended", job{Wait: time.Hour})
		})
	}
	close(release)
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			require.ErrorIs(t, err, sidecar.ErrExists)
		}
	}
	require.Equal(t, 1, won)
	require.NoError(t, e.Raise(t.Context(), "contended", "go"))
	b.wait(t, "contended", 1)
	ends(t, e, "contended", sidecar.Completed)
	require.Len(t, b.wait(t, "contended", 1), 1)
}

func retrying(w sidecar.WorkflowContext) error {
	var j job
	if err := w.Input(&j); err != nil {
		return err
	}
	var tries int
	err := w.Call("flaky", map[string]any{"ID": w.ID(), "fail": j.Fail, "text": j.Text}, &tries,
		sidecar.RetryPolicy{First: 10 * time.Millisecond, Backoff: 1.5, Max: 50 * time.Millisecond, Attempts: j.Tries})
	if err != nil {
		return enter(w, err.Error())
	}
	return enter(w, tries)
}

func retries(t *testing.T, e Engine, b *book) {
	start(t, e, "retry", "retry-never", job{})
	start(t, e, "retry", "retry-thrice", job{Fail: 3, Text: "panic"})
	start(t, e, "retry", "retry-often", job{Fail: 25}) // more than one history should hold
	start(t, e, "retry", "retry-just", job{Fail: 2, Tries: 3})
	require.Equal(t, []string{"1"}, b.wait(t, "retry-never", 1))
	require.Equal(t, []string{"4"}, b.wait(t, "retry-thrice", 1))
	require.Equal(t, []string{"26"}, b.wait(t, "retry-often", 1))
	require.Equal(t, []string{"3"}, b.wait(t, "retry-just", 1))
}

func givesUp(t *testing.T, e Engine, b *book) {
	start(t, e, "retry", "gives-up", job{Fail: 5, Tries: 2})
	require.Contains(t, b.wait(t, "gives-up", 1)[0], "try 2")
	require.Equal(t, 2, b.tried("gives-up"))
	ends(t, e, "gives-up", sidecar.Completed) // it knew what to do
}

func fails(t *testing.T, e Engine, _ *book) {
	start(t, e, "fail", "fail-error", job{})
	start(t, e, "fail", "fail-panic", job{Text: "panic"})
	start(t, e, "nobody-knows", "fail-unknown", job{})
	for _, id := range []string{"fail-error", "fail-panic", "fail-unknown"} {
		ends(t, e, id, sidecar.Failed)
		require.ErrorIs(t, e.Raise(t.Context(), id, "go"), sidecar.ErrGone)
		require.ErrorIs(t, e.Start(t.Context(), "fail", id, job{}), sidecar.ErrExists)
	}
}

func purge(t *testing.T, e Engine, b *book) {
	require.NoError(t, e.Purge(t.Context(), "purge"))
	start(t, e, "wait", "purge", job{Wait: time.Hour})
	require.ErrorIs(t, e.Purge(t.Context(), "purge"), sidecar.ErrExists)
	require.NoError(t, e.Raise(t.Context(), "purge", "go"))
	ends(t, e, "purge", sidecar.Completed)
	require.NoError(t, e.Purge(t.Context(), "purge"))
	ends(t, e, "purge", sidecar.Absent)
	require.ErrorIs(t, e.Raise(t.Context(), "purge", "go"), sidecar.ErrGone)
	start(t, e, "wait", "purge", job{})
	require.Equal(t, []string{`[true,0]`, `[false,0]`}, b.wait(t, "purge", 2))
}

// waiting writes down whether the event came, once a round.
func waiting(w sidecar.WorkflowContext) error {
	var j job
	if err := w.Input(&j); err != nil {
		return err
	}
	for i := 0; i <= j.Round; i++ {
		got, err := w.Wait("go", j.Wait)
		if err != nil {
			return err
		}
		if err := enter(w, []any{got, i}); err != nil {
			return err
		}
	}
	return nil
}

func events(t *testing.T, e Engine, b *book) {
	const n = 5
	start(t, e, "wait", "events", job{Wait: time.Hour, Round: 2*n - 1})
	for range n {
		require.NoError(t, e.Raise(t.Context(), "events", "other")) // nobody waits for it
		require.NoError(t, e.Raise(t.Context(), "events", "go"))
	}
	b.wait(t, "events", n)
	for i := range n { // it waits now
		require.NoError(t, e.Raise(t.Context(), "events", "go"))
		b.wait(t, "events", n+i+1)
	}
	for i, got := range b.wait(t, "events", 2*n) {
		require.Equal(t, fmt.Sprintf("[true,%d]", i), got)
	}
	ends(t, e, "events", sidecar.Completed)

	start(t, e, "gate", "events-before", job{}) // raised while it is busy with something else
	b.until(t, "the activity", func() bool { return b.tries["events-before"] > 0 })
	require.NoError(t, e.Raise(t.Context(), "events-before", "go"))
	close(b.gate("events-before"))
	require.Equal(t, []string{`[true,false]`}, b.wait(t, "events-before", 1))
}

// gated is busy until its gate opens, then takes what was raised meanwhile.
func gated(w sidecar.WorkflowContext) error {
	var said string
	if err := w.Call("gate", note{ID: w.ID()}, &said, quick); err != nil || said != "opened" {
		return fmt.Errorf("the gate said %q: %w", said, err)
	}
	first, err := w.Wait("go", 0)
	if err != nil {
		return err
	}
	second, err := w.Wait("go", -time.Second)
	if err != nil {
		return err
	}
	return enter(w, []any{first, second})
}

func timesOut(t *testing.T, e Engine, b *book) {
	began := time.Now()
	start(t, e, "wait", "late", job{Wait: 300 * time.Millisecond})
	require.Equal(t, []string{`[false,0]`}, b.wait(t, "late", 1))
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	ends(t, e, "late", sidecar.Completed)

	start(t, e, "rounds", "late-then-got", job{Wait: 200 * time.Millisecond, Round: 1})
	require.Equal(t, `{"round":1,"got":false}`, b.wait(t, "late-then-got", 1)[0])
	require.NoError(t, e.Raise(t.Context(), "late-then-got", "tick"))
	ends(t, e, "late-then-got", sidecar.Completed)
	notes := b.wait(t, "late-then-got", 2)
	require.Equal(t, `{"round":0,"got":true}`, notes[len(notes)-1])
}

// rounds counts its ticks down, a fresh history each, and its vain waits not at all.
func rounds(w sidecar.WorkflowContext) error {
	var j job
	if err := w.Input(&j); err != nil {
		return err
	}
	got, err := w.Wait("tick", j.Wait)
	if err != nil {
		return err
	}
	if got {
		j.Round--
	}
	if err := enter(w, struct {
		Round int  `json:"round"`
		Got   bool `json:"got"`
	}{j.Round, got}); err != nil {
		return err
	}
	if j.Round > 0 {
		w.Again(j)
	}
	return nil
}

func again(t *testing.T, e Engine, b *book) {
	const n = 12
	start(t, e, "rounds", "again", job{Wait: time.Hour, Round: n})
	for i := range n {
		if i%3 == 0 {
			b.wait(t, "again", i) // else they come in a heap
		}
		require.NoError(t, e.Raise(t.Context(), "again", "tick"))
	}
	ends(t, e, "again", sidecar.Completed)
	for i, got := range b.wait(t, "again", n) {
		require.Equal(t, fmt.Sprintf(`{"round":%d,"got":true}`, n-1-i), got)
	}
}

// timing writes down what time it was before, at and after a wait, the first twice.
func timing(w sidecar.WorkflowContext) error {
	first := w.Now()
	if err := enter(w, []time.Time{first}); err != nil {
		return err
	}
	second := w.Now()
	if _, err := w.Wait("never", 50*time.Millisecond); err != nil {
		return err
	}
	return enter(w, []time.Time{first, second, w.Now(), w.Now()})
}

func times(t *testing.T, e Engine, b *book) {
	began := time.Now()
	start(t, e, "times", "times", job{})
	notes := b.wait(t, "times", 2)
	var before, after []time.Time
	require.NoError(t, json.Unmarshal([]byte(notes[0]), &before))
	require.NoError(t, json.Unmarshal([]byte(notes[1]), &after))
	require.Equal(t, before[0], after[0])
	require.WithinDuration(t, began, after[0], patience)
	require.False(t, after[1].Before(after[0]))
	require.GreaterOrEqual(t, after[2].Sub(after[1]), 50*time.Millisecond)
	require.Equal(t, after[2], after[3])
}

func traceTravels(t *testing.T, e Engine, b *book) {
	trace := telemetry.NewTrace("", "")
	require.NoError(t, e.Start(telemetry.WithTrace(t.Context(), trace), "trace", "trace", nil))
	require.Equal(t, []string{`"` + trace.ID + `"`, `"` + trace.ID + `"`}, b.wait(t, "trace", 2))
}

// tracing writes down the trace that its activity sees, before and after it starts over.
func tracing(w sidecar.WorkflowContext) error {
	var again, trace string
	if err := w.Input(&again); err != nil {
		return err
	}
	if err := w.Call("trace", nil, &trace, quick); err != nil {
		return err
	}
	if again == "" {
		w.Again("again")
	}
	return enter(w, trace)
}

func gone(t *testing.T, e Engine, b *book) {
	require.ErrorIs(t, e.Raise(t.Context(), "unknown", "go"), sidecar.ErrGone)
	start(t, e, "wait", "gone", job{})
	ends(t, e, "gone", sidecar.Completed)
	require.ErrorIs(t, e.Raise(t.Context(), "gone", "go"), sidecar.ErrGone)
	require.Len(t, b.wait(t, "gone", 1), 1)
}

func manyInstances(t *testing.T, e Engine, b *book) {
	const n = 60
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id := fmt.Sprintf("many-%d", i)
			assert.EventuallyWithT(t, func(c *assertions) { // a busy engine may take longer than a call may
				if err := e.Start(t.Context(), "wait", id, job{Wait: time.Hour}); !errors.Is(err, sidecar.ErrExists) {
					assert.NoError(c, err)
				}
			}, patience, 10*time.Millisecond)
			assert.EventuallyWithT(t, func(c *assertions) {
				if err := e.Raise(t.Context(), id, "go"); !errors.Is(err, sidecar.ErrGone) {
					assert.NoError(c, err)
				}
			}, patience, 10*time.Millisecond)
		})
	}
	wg.Wait()
	for i := range n {
		require.Equal(t, []string{`[true,0]`}, b.wait(t, fmt.Sprintf("many-%d", i), 1))
		ends(t, e, fmt.Sprintf("many-%d", i), sidecar.Completed)
	}
}

func endedStart(t *testing.T, e Engine, _ *book) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, e.Start(ctx, "wait", "ended", job{}))
	require.Error(t, e.Raise(ctx, "ended", "go"))
	require.Error(t, e.Purge(ctx, "ended"))
	_, err := e.Status(ctx, "ended")
	require.Error(t, err)
}

// outlives ends something while one instance is in an activity, one waits for an event, one for its time,
// and one was told to try again.
func outlives(t *testing.T, e Engine, b *book, crash func(t *testing.T)) {
	id := func(s string) string { return fmt.Sprintf("crash-%d-%s", len(t.Name()), s) }
	start(t, e, "gate", id("busy"), job{})
	start(t, e, "wait", id("waits"), job{Wait: time.Hour, Round: 1})
	start(t, e, "wait", id("sleeps"), job{Wait: 700 * time.Millisecond})
	start(t, e, "retry", id("retries"), job{Fail: 4})
	require.NoError(t, e.Raise(t.Context(), id("waits"), "go"))
	b.wait(t, id("waits"), 1)
	b.until(t, "the activity", func() bool { return b.tries[id("busy")] > 0 })
	require.NoError(t, e.Raise(t.Context(), id("busy"), "go"))

	crash(t)

	close(b.gate(id("busy")))
	require.EventuallyWithT(t, func(c *assertions) { // what comes back may not answer at once
		require.NoError(c, e.Raise(t.Context(), id("waits"), "go"))
	}, patience, 50*time.Millisecond)
	b.noted(t, id("busy"), `[true,false]`) // and may have been noted twice
	b.noted(t, id("waits"), `[true,1]`)
	b.noted(t, id("sleeps"), `[false,0]`)
	b.wait(t, id("retries"), 1)
	for _, s := range []string{"busy", "waits", "sleeps", "retries"} {
		ends(t, e, id(s), sidecar.Completed)
	}
}
