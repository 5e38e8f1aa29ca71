// Package consumertest is the conformance suite of internal/consumer over a state store: run it with every store that
// an app may use.
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
	t.Run("every event is handled in order, behind a broker that loses and reorders, over restarts", func(t *testing.T) {
		t.Parallel()
		s.handlesInOrder(t)
	})
	t.Run("events that cannot be handled become dead letters", func(t *testing.T) {
		t.Parallel()
		s.keepsDeadLetters(t)
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
		s.events = append(s.events, contract.Event{ID: contract.EventID(s.log.Source, s.log.Partition, position, 0), Type: "added",
			Source: s.log.Source, Partition: s.log.Partition, Commit: position, Position: position, Aggregate: "counter/c", Seq: position})
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
	handled []uint64 // positions, each once
	broken  bool     // no event can be handled
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
		// With an hour between two writes of a cursor, only the clean end stores it.
		PollEvery: 20 * time.Millisecond, StoreEvery: time.Hour,
	})
}

// broker loses, repeats and reorders events. It delivers the first event of a life, and repeats none that failed.
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

func (s suite) handlesInOrder(t *testing.T) {
	from, to := &source{log: consumer.Log{Source: "test", Partition: "consumed"}}, &app{}
	for life := range 3 {
		c := s.consumer(from, to)
		work, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(work) })
		b := &broker{rnd: rand.New(rand.NewPCG(uint64(life), 1)), to: c}
		for range 5 {
			b.publish(t, from.commit(4))
		}
		require.Eventually(t, func() bool { return len(to.positions()) == 20*(life+1) }, 30*time.Second, 5*time.Millisecond)
		stop() // after the last delivery
		running.Wait()
		cursors, err := s.consumer(from, to).Cursors(t.Context())
		require.NoError(t, err)
		i := slices.IndexFunc(cursors, func(c contract.Cursor) bool { return c.Partition == "consumed" })
		require.GreaterOrEqual(t, i, 0)
		n := uint64(20 * (life + 1))
		assert.Equal(t, contract.Cursor{Source: "test", Partition: "consumed", Position: n, Applied: n}, cursors[i], "stored at a clean end")
	}
	want := make([]uint64, 60)
	for i := range want {
		want[i] = uint64(i + 1)
	}
	assert.Equal(t, want, to.positions())
}

func (s suite) keepsDeadLetters(t *testing.T) {
	from, to := &source{log: consumer.Log{Source: "test", Partition: "parking"}}, &app{broken: true}
	events := from.commit(7)
	c := s.consumer(from, to)
	done := []sidecar.Outcome{sidecar.Done}
	assert.Equal(t, slices.Repeat(done, 5), c.Deliver(t.Context(), deliveries(t, events[:5]...)))
	unpositioned := contract.Event{ID: "parking-user/1", Type: "added", Source: "parking-users"}
	assert.Equal(t, done, c.Deliver(t.Context(), deliveries(t, unpositioned)))
	assert.Equal(t, done, c.Deliver(t.Context(), []sidecar.Delivery{{ID: "invalid", Data: []byte(`{"n":`)}}))
	to.broken = false
	assert.Equal(t, done, c.Deliver(t.Context(), deliveries(t, events[5])), "the log continues behind dead letters")

	assert.Equal(t, []string{"parking-users::1 broken", "test:parking:5 broken", "test:parking:4 broken", "test:parking:3 broken",
		"test:parking:2 broken", "test:parking:1 broken", "unknown::1 the delivery is not an event"}, deadLetters(t, s.consumer(from, to), 2))

	require.NoError(t, c.Replay(t.Context(), "test:parking:4"))
	require.NoError(t, c.Replay(t.Context(), "parking-users::1"))
	require.NoError(t, c.Discard(t.Context(), "test:parking:1"))
	to.broken = true
	assert.True(t, fault.Is(c.Replay(t.Context(), "test:parking:3"), "not-handled"))
	assert.True(t, fault.Is(c.Replay(t.Context(), "unknown::1"), "not-handled"), "an invalid delivery has no handler")
	require.NoError(t, c.Discard(t.Context(), "unknown::1"))
	for _, id := range []string{"test:parking:4", "test:parking:9", "test:parking:x", "test:parking", "4", ""} {
		assert.True(t, fault.Is(c.Replay(t.Context(), id), "not-found"), id)
		assert.True(t, fault.Is(c.Discard(t.Context(), id), "not-found"), id)
	}
	assert.Equal(t, []string{"test:parking:5 broken", "test:parking:3 broken", "test:parking:2 broken"}, deadLetters(t, c, 3))
	assert.Equal(t, []uint64{6, 4, 0}, to.positions())
}

// deadLetters lists all dead letters page by page, as ids and reasons.
func deadLetters(t *testing.T, c *consumer.Consumer, limit int) (all []string) {
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
