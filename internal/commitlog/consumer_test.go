package commitlog_test

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
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// office is a source with its feed, and replicas of an app that consumes it, all of which fail as they are told.
type office struct {
	t        *rapid.T
	store    *memory.State
	cable    *cable // of the replicas; cut, their store refuses writes
	replicas []*commitlog.Consumer

	published []contract.Event
	poison    map[uint64]bool
	feedDown  bool
	now       time.Time
	outage    bool            // handlers ask for another time
	applied   map[uint64]bool // by position
	order     []uint64        // of the first applications
	stored    uint64          // the position
	together  bool            // a batch was handled
}

var errOutage = errors.New("an outage")

func openOffice(t *rapid.T) *office {
	o := &office{t: t, store: memory.NewState(), poison: map[uint64]bool{}, applied: map[uint64]bool{}}
	o.cable = &cable{State: o.store}
	o.replicas = []*commitlog.Consumer{o.start(), o.start()}
	return o
}

func (o *office) start() *commitlog.Consumer {
	var batches map[string]commitlog.BatchHandler
	if rapid.Bool().Draw(o.t, "batches") {
		batches = map[string]commitlog.BatchHandler{"did": o.handleAll}
	}
	return commitlog.NewConsumer(commitlog.ConsumerOptions{
		Batches: batches,
		State:   o.cable, Fetch: o.fetch, Logs: []commitlog.LogName{{Source: "src", Partition: "p"}},
		Now:        func() time.Time { return o.now },
		Handlers:   map[string]commitlog.EventHandler{"did": o.handle},
		StoreEvery: time.Duration(rapid.SampledFrom([]int{1, int(time.Hour)}).Draw(o.t, "store every")),
	})
}

func (o *office) fetch(_ context.Context, source, partition string, from uint64, limit int) (contract.FeedPage, error) {
	if o.feedDown {
		return contract.FeedPage{}, errOutage
	}
	require.Equal(o.t, "src p", source+" "+partition)
	head := uint64(len(o.published))
	next := min(from+uint64(min(limit, 3)), head+1)
	return contract.FeedPage{Events: o.published[from-1 : max(next, from)-1], Next: next, Head: head}, nil
}

func (o *office) handle(_ context.Context, e contract.Event) error {
	switch {
	case o.poison[e.Position] && e.Position%2 == 0:
		panic("poison")
	case o.poison[e.Position]:
		return commitlog.Poison(errors.New("poison"))
	case o.outage:
		return errOutage
	}
	if !o.applied[e.Position] && (len(o.order) == 0 || e.Position > slices.Max(o.order) || !o.parked()[e.Position]) {
		o.order = append(o.order, e.Position)
	} // else a replica that was behind takes what the other has parked
	o.applied[e.Position] = true
	return nil
}

// handleAll stops in the middle when one fails.
func (o *office) handleAll(ctx context.Context, events []contract.Event) error {
	o.together = o.together || len(events) > 1
	for _, e := range events {
		if err := o.handle(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (o *office) publish(t *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(t, "events") {
		n := uint64(len(o.published) + 1)
		kind := rapid.SampledFrom([]string{"did", "did", "did", "poison", "unheard"}).Draw(t, "kind")
		if kind == "poison" {
			o.poison[n], kind = true, "did"
		}
		o.published = append(o.published, contract.Event{ID: fmt.Sprint("src/p/", n), Type: kind, Source: "src", Partition: "p", Commit: n, Position: n})
	}
}

// deliver hands some of the events to a replica: any of them, in any order, more than once.
func (o *office) deliver(t *rapid.T, dead bool) {
	if len(o.published) == 0 {
		return
	}
	var batch []sidecar.Delivery
	positions := rapid.SliceOfN(rapid.IntRange(max(1, len(o.published)-6), len(o.published)), 1, 6).Draw(t, "positions")
	for _, n := range positions {
		data, err := json.Marshal(o.published[n-1])
		require.NoError(t, err)
		batch = append(batch, sidecar.Delivery{ID: o.published[n-1].ID, Data: data})
	}
	c := rapid.SampledFrom(o.replicas).Draw(t, "replica")
	handler := c.Deliver
	if dead {
		handler = c.DeliverDead
	}
	outcomes := handler(t.Context(), batch)
	settled := o.settled()
	for i, n := range positions {
		require.NotEqual(t, sidecar.Drop, outcomes[i])
		require.True(t, outcomes[i] == sidecar.Retry || settled[uint64(n)], "%d is acknowledged but neither applied nor parked", n)
	}
}

// listing is a consumer that only looks.
func (o *office) listing() *commitlog.Consumer {
	return commitlog.NewConsumer(commitlog.ConsumerOptions{State: o.store, Logs: []commitlog.LogName{{Source: "src", Partition: "p"}}})
}

// parked lists the positions of parked events, from the store.
func (o *office) parked() map[uint64]bool {
	list, next, err := o.listing().Parked(o.t.Context(), commitlog.Bookmark{}, 1000)
	require.NoError(o.t, err)
	require.Nil(o.t, next)
	parked := map[uint64]bool{}
	for _, p := range list {
		parked[p.Event.Position] = true
	}
	return parked
}

func (o *office) settled() map[uint64]bool {
	settled := o.parked()
	for n := range o.applied {
		settled[n] = true
	}
	for _, e := range o.published {
		settled[e.Position] = settled[e.Position] || e.Type == "unheard"
	}
	return settled
}

// inOrder holds at every moment: nothing was applied for the first time while something before it was neither
// applied nor parked, and the stored cursor does not go back.
func (o *office) inOrder(t *rapid.T) {
	require.True(t, slices.IsSorted(o.order), "%v", o.order)
	if len(o.order) > 0 {
		settled := o.settled()
		for n := uint64(1); n < o.order[len(o.order)-1]; n++ {
			require.True(t, settled[n], "%d was passed over", n)
		}
	}
	cursors, err := o.listing().Cursors(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, cursors[0].Position, o.stored)
	o.stored = cursors[0].Position
}

// Whatever the broker does to the messages, and whatever fails or crashes on the way: every event is applied, in
// order, or parked.
func TestConsumerAppliesEveryEventInOrder(t *testing.T) {
	t.Parallel()
	together := false
	defer func() { require.True(t, together, "no batch was ever handled") }()
	rapid.Check(t, func(t *rapid.T) {
		o := openOffice(t)
		defer func() { together = together || o.together }()
		replica := rapid.IntRange(0, len(o.replicas)-1)
		t.Repeat(map[string]func(*rapid.T){
			"publish":      o.publish,
			"deliver":      func(t *rapid.T) { o.deliver(t, false) },
			"deliver more": func(t *rapid.T) { o.deliver(t, false) },
			"dead letter":  func(t *rapid.T) { o.deliver(t, true) },
			"poll":         func(t *rapid.T) { o.replicas[replica.Draw(t, "replica")].Poll(t.Context()) },
			"crash":        func(t *rapid.T) { o.replicas[replica.Draw(t, "replica")] = o.start() },
			"feed":         func(*rapid.T) { o.feedDown = !o.feedDown },
			"outage":       func(*rapid.T) { o.outage = !o.outage },
			"store":        func(*rapid.T) { o.cable.cut.Store(!o.cable.cut.Load()) },
			"":             o.inOrder,
		})
		o.feedDown, o.outage = false, false
		o.cable.cut.Store(false)
		for range 3 + 2*len(o.poison) { // what is missing is what the poll before saw already
			o.now = o.now.Add(time.Hour) // and what fails for long is given up
			o.replicas[0].Poll(t.Context())
		}
		o.inOrder(t)
		parked, settled := o.parked(), o.settled()
		for n := uint64(1); n <= uint64(len(o.published)); n++ {
			require.True(t, settled[n], "%d is neither applied nor parked", n)
			require.Equal(t, o.poison[n], o.poison[n] && parked[n] && !o.applied[n])
		}
		cursors, err := o.replicas[0].Cursors(t.Context())
		require.NoError(t, err)
		require.Len(t, cursors, 1)
		require.Equal(t, uint64(len(o.published)), cursors[0].Position)
		require.LessOrEqual(t, cursors[0].Applied, cursors[0].Position)
		require.GreaterOrEqual(t, cursors[0].Applied+cursors[0].Parked, cursors[0].Position)
	})
}

// A try that was broken off is none: at a shutdown, the dead letters that arrive must not all be parked.
func TestABrokenOffTryParksNothing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	store := memory.NewState()
	c := commitlog.NewConsumer(commitlog.ConsumerOptions{State: store, Handlers: map[string]commitlog.EventHandler{
		"did": func(ctx context.Context, _ contract.Event) error { cancel(); return ctx.Err() },
	}})
	for _, position := range []string{"0", "1"} { // without a log, and of one
		d := sidecar.Delivery{ID: "e", Data: []byte(`{"id":"e","type":"did","source":"src","partition":"p","position":` + position + `}`)}
		require.Equal(t, []sidecar.Outcome{sidecar.Retry}, c.DeliverDead(ctx, []sidecar.Delivery{d}))
	}
	list, _, err := c.Parked(t.Context(), commitlog.Bookmark{}, 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

// What is to be forgotten is gone from every log's parked events, however many there are; the rest stays.
func TestForget(t *testing.T) {
	t.Parallel()
	c := commitlog.NewConsumer(commitlog.ConsumerOptions{State: memory.NewState(), Handlers: map[string]commitlog.EventHandler{
		"did": func(context.Context, contract.Event) error { return commitlog.Poison(errors.New("broken")) },
	}})
	for i := range 250 {
		e := fmt.Sprintf(`{"id":"e%d","type":"did","source":"src%d","data":{"who":"%d"}}`, i, i%2, i%5)
		require.Equal(t, []sidecar.Outcome{sidecar.Done}, c.Deliver(t.Context(), []sidecar.Delivery{{ID: "e", Data: []byte(e)}}))
	}
	for range 2 {
		require.NoError(t, c.Forget(t.Context(), func(e contract.Event) bool { return string(e.Data) == `{"who":"3"}` }))
		list, _, err := c.Parked(t.Context(), commitlog.Bookmark{}, 1000)
		require.NoError(t, err)
		require.Len(t, list, 200)
		for _, p := range list {
			require.NotContains(t, string(p.Event.Data), "3")
		}
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	events := make([]contract.Event, 20)
	for i := range events {
		events[i].Position = uint64(i + 1)
	}
	var all sync.WaitGroup
	all.Add(len(events))
	require.NoError(t, commitlog.AtOnce(func(context.Context, contract.Event) error {
		all.Done()
		all.Wait() // for ever, if they went one after the other
		return nil
	})(t.Context(), events))
	failed := commitlog.AtOnce(func(ctx context.Context, e contract.Event) error {
		switch e.Position {
		case 3:
			panic("a bug")
		default:
			<-ctx.Done() // one that fails ends the rest
			return nil
		}
	})(t.Context(), events)
	require.ErrorContains(t, failed, "a bug")
}

// While a replica handles an event, another one may come further, and the first learn of it: no event counts twice, and
// none comes again.
func TestReplicasCountTogether(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	var deliveries []sidecar.Delivery
	for n := uint64(1); n <= 4; n++ {
		e := contract.Event{ID: fmt.Sprint("src/p/", n), Type: "did", Source: "src", Partition: "p", Position: n}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		deliveries = append(deliveries, sidecar.Delivery{ID: e.ID, Topic: "t", Data: data})
	}
	consumer := func(h commitlog.EventHandler) *commitlog.Consumer {
		return commitlog.NewConsumer(commitlog.ConsumerOptions{State: store, StoreEvery: time.Nanosecond,
			Logs: []commitlog.LogName{{Source: "src", Partition: "p"}}, Handlers: map[string]commitlog.EventHandler{"did": h}})
	}
	at, goOn := make(chan struct{}), make(chan struct{})
	var handled []uint64
	slow := consumer(func(_ context.Context, e contract.Event) error {
		handled = append(handled, e.Position)
		if e.Position == 2 {
			close(at)
			<-goOn
		}
		return nil
	})
	quick := consumer(func(context.Context, contract.Event) error { return nil })
	delivered := make(chan []sidecar.Outcome)
	go func() { delivered <- slow.Deliver(t.Context(), deliveries) }()
	<-at
	require.Equal(t, []sidecar.Outcome{sidecar.Done, sidecar.Done, sidecar.Done}, quick.Deliver(t.Context(), deliveries[:3]))
	slow.Store(t.Context())
	close(goOn)
	require.Equal(t, []sidecar.Outcome{sidecar.Done, sidecar.Done, sidecar.Done, sidecar.Done}, <-delivered)
	require.Equal(t, []uint64{1, 2, 4}, handled)
	cursors, err := slow.Cursors(t.Context())
	require.NoError(t, err)
	require.Equal(t, []contract.Cursor{{Source: "src", Partition: "p", Position: 4, Applied: 4}}, cursors)
}
