// Package consumertest is the conformance suite of internal/consumer with a state store. It must pass with every store
// that an app may use.
package consumertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Test runs the suite. open returns the store of one app.
func Test(t *testing.T, open func(t *testing.T) sidecar.State) {
	s := suite{open(t)}
	t.Run("every event is handled in order, whatever the broker loses, and after restarts", func(t *testing.T) {
		t.Parallel()
		s.order(t)
	})
	t.Run("events that cannot be handled become dead letters", func(t *testing.T) {
		t.Parallel()
		s.deadLetters(t)
	})
}

type suite struct{ store sidecar.State }

// source is another app with one log.
type source struct {
	log consumer.Log

	mu     sync.Mutex
	events []contract.Event
}

// commit adds n events to the log and returns them.
func (s *source) commit(n int) []contract.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		position := uint64(len(s.events) + 1)
		s.events = append(s.events, contract.Event{
			ID: contract.EventID(s.log.Source, s.log.Partition, position, 0), Type: "added",
			Source: s.log.Source, Partition: s.log.Partition, Commit: position, Position: position,
			Aggregate: "counter/c", Seq: position,
		})
	}
	return slices.Clone(s.events[len(s.events)-n:])
}

// fetch is the feed of the log.
func (s *source) fetch(_ context.Context, log consumer.Log, from uint64, limit int) (contract.FeedPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if log != s.log {
		return contract.FeedPage{}, fmt.Errorf("no log %s", log.Partition)
	}
	head := uint64(len(s.events))
	next := max(from, min(from+uint64(limit), head+1))
	return contract.FeedPage{Events: slices.Clone(s.events[from-1 : next-1]), Next: next, Head: head}, nil
}

// app is an app that consumes the log.
type app struct {
	mu      sync.Mutex
	handled []uint64 // the positions of handled events, in the order in which they were first handled
	broken  bool     // the handler returns permanent errors
}

func (a *app) handle(_ context.Context, e contract.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken {
		return consumer.Permanent(errors.New("broken"))
	}
	if !slices.Contains(a.handled, e.Position) {
		a.handled = append(a.handled, e.Position)
	}
	return nil
}

func (a *app) positions() []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.handled)
}

func (s suite) consumer(from *source, to *app) *consumer.Consumer {
	return consumer.New(consumer.Options{
		State: s.store, Fetch: from.fetch, Handlers: map[string]consumer.Handler{"added": to.handle},
		// With an hour between two writes of a cursor, only the end of Run stores it.
		PollEvery: 20 * time.Millisecond, StoreEvery: time.Hour,
	})
}

// broker loses, repeats and reorders events. It always delivers its first event, by which a consumer discovers the log,
// and never delivers a failed event again.
type broker struct {
	rnd  *rand.Rand
	to   *consumer.Consumer
	sent int
}

func (b *broker) publish(t *testing.T, events []contract.Event) {
	var batch []sidecar.Delivery
	for _, d := range deliveries(t, events...) {
		switch n := b.rnd.IntN(4); {
		case n == 0 && b.sent > 0: // lost
		case n == 1:
			batch = append(batch, d, d)
		default:
			batch = append(batch, d)
		}
		b.sent++
	}
	b.rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	if len(batch) > 0 {
		b.to.Deliver(t.Context(), batch)
	}
}

func (s suite) order(t *testing.T) {
	from, to := &source{log: consumer.Log{Source: "test", Partition: "consumed"}}, &app{}
	const runs, perRun = 3, 20
	for run := range runs {
		c := s.consumer(from, to)
		work, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(work) })
		b := &broker{rnd: rand.New(rand.NewPCG(uint64(run), 1)), to: c}
		for range perRun / 4 {
			b.publish(t, from.commit(4))
		}
		handled := func() bool { return len(to.positions()) == perRun*(run+1) }
		require.Eventually(t, handled, 30*time.Second, 5*time.Millisecond)
		stop() // after the last delivery
		running.Wait()
		cursors, err := s.consumer(from, to).Cursors(t.Context())
		require.NoError(t, err)
		i := slices.IndexFunc(cursors, func(c contract.Cursor) bool { return c.Partition == "consumed" })
		require.GreaterOrEqual(t, i, 0)
		n := uint64(perRun * (run + 1))
		want := contract.Cursor{Source: "test", Partition: "consumed", Position: n, Applied: n}
		assert.Equal(t, want, cursors[i], "stored at the end of Run")
	}
	want := make([]uint64, runs*perRun)
	for i := range want {
		want[i] = uint64(i + 1)
	}
	assert.Equal(t, want, to.positions())
}

func (s suite) deadLetters(t *testing.T) {
	from, to := &source{log: consumer.Log{Source: "test", Partition: "failing"}}, &app{broken: true}
	events := from.commit(7)
	c := s.consumer(from, to)
	done := []sidecar.Outcome{sidecar.Done}
	assert.Equal(t, slices.Repeat(done, 5), c.Deliver(t.Context(), deliveries(t, events[:5]...)))
	unpositioned := contract.Event{ID: "other/1", Type: "added", Source: "other"}
	assert.Equal(t, done, c.Deliver(t.Context(), deliveries(t, unpositioned)))
	assert.Equal(t, done, c.Deliver(t.Context(), []sidecar.Delivery{{ID: "invalid", Data: []byte(`{"n":`)}}))
	to.broken = false
	assert.Equal(t, done, c.Deliver(t.Context(), deliveries(t, events[5])), "the log continues after dead letters")

	assert.Equal(t, []string{
		"other::1 broken",
		"test:failing:5 broken", "test:failing:4 broken", "test:failing:3 broken", "test:failing:2 broken",
		"test:failing:1 broken",
		"unknown::1 the delivery is not an event",
	}, listDeadLetters(t, s.consumer(from, to), 2))

	require.NoError(t, c.Replay(t.Context(), "test:failing:4"))
	require.NoError(t, c.Replay(t.Context(), "other::1"))
	require.NoError(t, c.Discard(t.Context(), "test:failing:1"))
	to.broken = true
	assert.True(t, fault.Is(c.Replay(t.Context(), "test:failing:3"), "not-handled"))
	assert.True(t, fault.Is(c.Replay(t.Context(), "unknown::1"), "not-handled"), "an invalid delivery has no handler")
	require.NoError(t, c.Discard(t.Context(), "unknown::1"))
	for _, id := range []string{"test:failing:4", "test:failing:9", "test:failing:x", "test:failing", "4", ""} {
		assert.True(t, fault.Is(c.Replay(t.Context(), id), "not-found"), id)
		assert.True(t, fault.Is(c.Discard(t.Context(), id), "not-found"), id)
	}
	assert.Equal(t, []string{"test:failing:5 broken", "test:failing:3 broken", "test:failing:2 broken"},
		listDeadLetters(t, c, 3))
	assert.Equal(t, []uint64{6, 4, 0}, to.positions())
}

// listDeadLetters returns the ids and reasons of all dead letters, which it reads page by page.
func listDeadLetters(t *testing.T, c *consumer.Consumer, limit int) (all []string) {
	t.Helper()
	for at := new(consumer.Bookmark); at != nil; {
		list, next, err := c.DeadLetters(t.Context(), *at, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(list), limit)
		require.True(t, len(list) > 0 || next == nil)
		for _, d := range list {
			all = append(all, d.ID+" "+d.Reason)
		}
		at = next
	}
	return all
}

func deliveries(t *testing.T, events ...contract.Event) (all []sidecar.Delivery) {
	t.Helper()
	for _, e := range events {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		all = append(all, sidecar.Delivery{ID: e.ID, Data: data})
	}
	return all
}
