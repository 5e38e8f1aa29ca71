package consumer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// system is a source with a feed, and two replicas of an app that consumes its log. The test can make each part fail.
type system struct {
	t        *rapid.T
	store    *memory.State
	writable *unreliableStore // what the replicas write to
	replicas []*consumer.Consumer

	published []contract.Event
	permanent map[uint64]bool // positions of events that can never be handled
	feedDown  bool
	appDown   bool // handlers return errors
	now       time.Time
	handled   map[uint64]bool // by position
	order     []uint64        // positions, in the order in which events were handled for the first time
	stored    uint64          // the position of the stored cursor after the previous step
	batched   bool            // a batch was handled
}

var (
	errDown      = errors.New("down")
	errPermanent = errors.New("cannot be handled")
)

// unreliableStore refuses writes while it is down.
type unreliableStore struct {
	sidecar.State
	down atomic.Bool
}

func (s *unreliableStore) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if s.down.Load() {
		return errDown
	}
	return s.State.Create(ctx, key, value, opts...)
}

func (s *unreliableStore) Put(
	ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption,
) error {
	if s.down.Load() {
		return errDown
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

func newSystem(t *rapid.T) *system {
	s := &system{t: t, store: memory.NewState(), permanent: map[uint64]bool{}, handled: map[uint64]bool{}}
	s.writable = &unreliableStore{State: s.store}
	s.replicas = []*consumer.Consumer{s.startReplica(), s.startReplica()}
	return s
}

func (s *system) startReplica() *consumer.Consumer {
	var batches map[string]consumer.BatchHandler
	if rapid.Bool().Draw(s.t, "batches") {
		batches = map[string]consumer.BatchHandler{"did": s.handleBatch}
	}
	return consumer.New(consumer.Options{
		State: s.writable, Fetch: s.fetch, Logs: []consumer.Log{{Source: "src", Partition: "p"}},
		Handlers: map[string]consumer.Handler{"did": s.handle}, Batches: batches,
		Now:        func() time.Time { return s.now },
		StoreEvery: time.Duration(rapid.SampledFrom([]int{1, int(time.Hour)}).Draw(s.t, "store every")),
	})
}

func (s *system) fetch(_ context.Context, log consumer.Log, from uint64, limit int) (contract.FeedPage, error) {
	if s.feedDown {
		return contract.FeedPage{}, errDown
	}
	require.Equal(s.t, consumer.Log{Source: "src", Partition: "p"}, log)
	head := uint64(len(s.published))
	next := min(from+uint64(min(limit, 3)), head+1)
	return contract.FeedPage{Events: s.published[from-1 : max(next, from)-1], Next: next, Head: head}, nil
}

func (s *system) handle(_ context.Context, e contract.Event) error {
	switch {
	case s.permanent[e.Position] && e.Position%2 == 0:
		panic("cannot be handled")
	case s.permanent[e.Position]:
		return consumer.Permanent(errPermanent)
	case s.appDown:
		return errDown
	}
	// A replica that is behind may handle an event that the other replica has made a dead letter. Its order is of no
	// importance.
	late := len(s.order) > 0 && e.Position < slices.Max(s.order) && s.deadLetters()[e.Position]
	if !s.handled[e.Position] && !late {
		s.order = append(s.order, e.Position)
	}
	s.handled[e.Position] = true
	return nil
}

// handleBatch stops in the middle of the batch when an event fails.
func (s *system) handleBatch(ctx context.Context, events []contract.Event) error {
	s.batched = s.batched || len(events) > 1
	for _, e := range events {
		if err := s.handle(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) publish(t *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		n := uint64(len(s.published) + 1)
		kind := rapid.SampledFrom([]string{"did", "did", "did", "permanent", "without a handler"}).Draw(t, "kind")
		if kind == "permanent" {
			s.permanent[n], kind = true, "did"
		}
		s.published = append(s.published, contract.Event{
			ID: fmt.Sprint("src/p/", n), Type: kind, Source: "src", Partition: "p", Commit: n, Position: n,
		})
	}
}

// deliver delivers some of the latest events to a replica, in any order, some of them twice.
func (s *system) deliver(t *rapid.T, dead bool) {
	if len(s.published) == 0 {
		return
	}
	var batch []sidecar.Delivery
	positions := rapid.SliceOfN(rapid.IntRange(max(1, len(s.published)-6), len(s.published)), 1, 6).Draw(t, "positions")
	for _, n := range positions {
		data, err := json.Marshal(s.published[n-1])
		require.NoError(t, err)
		batch = append(batch, sidecar.Delivery{ID: s.published[n-1].ID, Data: data})
	}
	c := rapid.SampledFrom(s.replicas).Draw(t, "replica")
	handler := c.Deliver
	if dead {
		handler = c.DeliverDead
	}
	outcomes := handler(t.Context(), batch)
	finished := s.finished()
	for i, n := range positions {
		require.NotEqual(t, sidecar.Drop, outcomes[i])
		require.True(t, outcomes[i] == sidecar.Retry || finished[uint64(n)],
			"%d is acknowledged but neither handled nor a dead letter", n)
	}
}

// observer is a consumer that reads what the replicas have stored.
func (s *system) observer() *consumer.Consumer {
	return consumer.New(consumer.Options{State: s.store, Logs: []consumer.Log{{Source: "src", Partition: "p"}}})
}

// deadLetters are the positions of the stored dead letters.
func (s *system) deadLetters() map[uint64]bool {
	list, next, err := s.observer().DeadLetters(s.t.Context(), consumer.Bookmark{}, 1000)
	require.NoError(s.t, err)
	require.Nil(s.t, next)
	positions := map[uint64]bool{}
	for _, d := range list {
		positions[d.Event.Position] = true
	}
	return positions
}

// finished are the positions of events that were handled, became dead letters, or have no handler.
func (s *system) finished() map[uint64]bool {
	finished := s.deadLetters()
	for n := range s.handled {
		finished[n] = true
	}
	for _, e := range s.published {
		finished[e.Position] = finished[e.Position] || e.Type == "without a handler"
	}
	return finished
}

// checkOrder runs after every step. It checks that no event was handled for the first time before an earlier event was
// finished, and that the stored cursor does not move backwards.
func (s *system) checkOrder(t *rapid.T) {
	require.True(t, slices.IsSorted(s.order), "%v", s.order)
	if len(s.order) > 0 {
		finished := s.finished()
		for n := uint64(1); n < s.order[len(s.order)-1]; n++ {
			require.True(t, finished[n], "%d was skipped", n)
		}
	}
	cursors, err := s.observer().Cursors(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, cursors[0].Position, s.stored)
	s.stored = cursors[0].Position
}

func TestEveryEventIsHandledInOrderOrBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	batched := false
	defer func() { require.True(t, batched, "no batch was ever handled") }()
	rapid.Check(t, func(t *rapid.T) {
		s := newSystem(t)
		defer func() { batched = batched || s.batched }()
		replica := rapid.IntRange(0, len(s.replicas)-1)
		t.Repeat(map[string]func(*rapid.T){
			"publish":         s.publish,
			"deliver":         func(t *rapid.T) { s.deliver(t, false) },
			"deliver more":    func(t *rapid.T) { s.deliver(t, false) },
			"deliver dead":    func(t *rapid.T) { s.deliver(t, true) },
			"poll":            func(t *rapid.T) { s.replicas[replica.Draw(t, "replica")].Poll(t.Context()) },
			"restart":         func(t *rapid.T) { s.replicas[replica.Draw(t, "replica")] = s.startReplica() },
			"feed up or down": func(*rapid.T) { s.feedDown = !s.feedDown },
			"app up or down":  func(*rapid.T) { s.appDown = !s.appDown },
			"store":           func(*rapid.T) { s.writable.down.Store(!s.writable.down.Load()) },
			"":                s.checkOrder,
		})
		s.feedDown, s.appDown = false, false
		s.writable.down.Store(false)
		for range 3 + 2*len(s.permanent) { // a poll fetches what was published at the poll before
			s.now = s.now.Add(time.Hour) // longer than GiveUpAfter
			s.replicas[0].Poll(t.Context())
		}
		s.checkOrder(t)
		dead, finished := s.deadLetters(), s.finished()
		for n := uint64(1); n <= uint64(len(s.published)); n++ {
			require.True(t, finished[n], "%d is neither handled nor a dead letter", n)
			require.Equal(t, s.permanent[n], s.permanent[n] && dead[n] && !s.handled[n])
		}
		cursors, err := s.replicas[0].Cursors(t.Context())
		require.NoError(t, err)
		require.Len(t, cursors, 1)
		require.Equal(t, uint64(len(s.published)), cursors[0].Position)
		require.LessOrEqual(t, cursors[0].Applied, cursors[0].Position)
		require.GreaterOrEqual(t, cursors[0].Applied+cursors[0].Parked, cursors[0].Position)
	})
}
