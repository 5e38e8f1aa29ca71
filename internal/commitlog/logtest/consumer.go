package logtest

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

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// sink is an app that consumes a log.
type sink struct {
	mu     sync.Mutex
	got    []uint64 // the positions, each once
	broken bool     // nothing can be handled
}

func (s *sink) handle(_ context.Context, e contract.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return commitlog.Poison(errors.New("broken"))
	}
	if !slices.Contains(s.got, e.Position) {
		s.got = append(s.got, e.Position)
	}
	return nil
}

func (s *sink) positions() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// consumer is another app's, whose own store is the suite's too.
func (s suite) consumer(p *commitlog.Partition[Counter], to *sink) *commitlog.Consumer {
	return commitlog.NewConsumer(commitlog.ConsumerOptions{
		State: s.store,
		Fetch: func(ctx context.Context, _, partition string, from uint64, limit int) (contract.FeedPage, error) {
			if partition != p.Name() {
				return contract.FeedPage{}, fmt.Errorf("no log %s", partition)
			}
			return p.Feed(ctx, from, limit)
		},
		Handlers: map[string]commitlog.EventHandler{"added": to.handle},
		// What a clean end stores does not depend on when it was stored before.
		PollEvery: 20 * time.Millisecond, StoreEvery: time.Hour,
	})
}

// unruly is a broker that loses, repeats and reorders. The first message it does not lose.
type unruly struct {
	mu   sync.Mutex
	rnd  *rand.Rand
	to   *commitlog.Consumer
	sent int
}

func (u *unruly) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var batch []sidecar.Delivery
	for _, m := range messages {
		d := sidecar.Delivery{ID: m.ID, Topic: topic, Data: m.Data}
		switch n := u.rnd.IntN(4); {
		case n == 0 && u.sent > 0: // lost
		case n == 1:
			batch = append(batch, d, d)
		default:
			batch = append(batch, d)
		}
		u.sent++
	}
	u.rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	if len(batch) > 0 {
		u.to.Deliver(ctx, batch) // what is not done is not sent again
	}
	return nil
}

// consumers: behind a broker that cannot be relied on, over restarts of the app.
func (s suite) consumers(t *testing.T) {
	p := s.start(t, "consumed", commitlog.Options{Patience: 20 * time.Second})
	defer p.Close(t.Context())
	to := &sink{}
	for life := range 3 {
		c := s.consumer(p, to)
		delivering, stopDelivering := context.WithCancel(t.Context())
		work, stop := context.WithCancel(t.Context())
		var deliveries, running sync.WaitGroup
		running.Go(func() { c.Run(work) })
		deliveries.Go(func() {
			p.Publish(delivering, &unruly{rnd: rand.New(rand.NewPCG(uint64(life), 1)), to: c}, fmt.Sprint("topic", life))
		})
		for i := range 20 {
			require.NoError(t, add(t.Context(), p, "c", fmt.Sprint(life, "-", i), 1))
		}
		require.Eventually(t, func() bool { return len(to.positions()) == 20*(life+1) }, 30*time.Second, 5*time.Millisecond)
		stopDelivering()
		deliveries.Wait()
		stop() // after the last delivery
		running.Wait()
		cursors, err := s.consumer(p, to).Cursors(t.Context())
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

// parking: what cannot be handled is put aside and listed, and tried again or forgotten when asked.
func (s suite) parking(t *testing.T) {
	p := s.start(t, "parking", commitlog.Options{})
	defer p.Close(t.Context())
	for i := range 7 {
		require.NoError(t, add(t.Context(), p, "c", fmt.Sprint(i), 1))
	}
	page, err := p.Feed(t.Context(), 1, 10)
	require.NoError(t, err)
	to := &sink{broken: true}
	c := s.consumer(p, to)
	outcomes := c.Deliver(t.Context(), deliveries(t, page.Events[:5]...))
	assert.Equal(t, slices.Repeat([]sidecar.Outcome{sidecar.Done}, 5), outcomes)
	loose := contract.Event{ID: "parking-user/1", Type: "added", Source: "parking-users"}
	assert.Equal(t, []sidecar.Outcome{sidecar.Done}, c.Deliver(t.Context(), deliveries(t, loose)))
	assert.Equal(t, []sidecar.Outcome{sidecar.Done}, c.Deliver(t.Context(), []sidecar.Delivery{{ID: "stray", Data: []byte(`{"n":`)}}))
	to.broken = false
	assert.Equal(t, []sidecar.Outcome{sidecar.Done}, c.Deliver(t.Context(), deliveries(t, page.Events[5])), "the log goes on")

	list := parked(t, s.consumer(p, to), 2)
	assert.Equal(t, []string{"parking-users::1 broken", "test:parking:5 broken", "test:parking:4 broken", "test:parking:3 broken",
		"test:parking:2 broken", "test:parking:1 broken", "unknown::1 the delivery is not an event"}, list)

	require.NoError(t, c.Replay(t.Context(), "test:parking:4"))
	require.NoError(t, c.Replay(t.Context(), "parking-users::1"))
	require.NoError(t, c.Discard(t.Context(), "test:parking:1"))
	to.broken = true
	assert.True(t, fault.Is(c.Replay(t.Context(), "test:parking:3"), "not-handled"))
	assert.True(t, fault.Is(c.Replay(t.Context(), "unknown::1"), "not-handled"), "nobody knows what it is")
	require.NoError(t, c.Discard(t.Context(), "unknown::1"))
	for _, id := range []string{"test:parking:4", "test:parking:9", "test:parking:x", "test:parking", "4", ""} {
		assert.True(t, fault.Is(c.Replay(t.Context(), id), "not-found"), id)
		assert.True(t, fault.Is(c.Discard(t.Context(), id), "not-found"), id)
	}
	assert.Equal(t, []string{"test:parking:5 broken", "test:parking:3 broken", "test:parking:2 broken"}, parked(t, c, 3))
	assert.Equal(t, []uint64{6, 4, 0}, to.positions())
}

// parked lists everything of the test's logs, page by page.
func parked(t *testing.T, c *commitlog.Consumer, limit int) (all []string) {
	t.Helper()
	for at := new(commitlog.Bookmark); at != nil; {
		list, next, err := c.Parked(t.Context(), *at, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(list), limit)
		require.True(t, len(list) > 0 || next == nil)
		for _, p := range list {
			all = append(all, p.ID+" "+p.Reason)
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
