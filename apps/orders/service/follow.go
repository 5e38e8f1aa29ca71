package service

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// A follower reads the orders log behind its end and gives every order a lifecycle: it starts one for an
// order that was placed, and wakes it when the order has changed. Its cursor is stored, so what a crash
// interrupts is done again.
//
// A workflow costs as much as placing the order did, or more, so the follower steps back: while orders are being
// placed it starts two a second, and more only as its backlog grows old. A rush is worked off when it is over; a
// stream that never ends is kept up with, some minutes behind. Only an order that owes something after its deadline
// does not wait its turn.
//
// In a store that the log was moved into there is no cursor, and there are no lifecycles: the follower goes through
// all orders, which costs a read each, and starts one for each that is not over.
type follower struct {
	s *Service

	mu    sync.Mutex
	owing map[string]time.Time // since when, of what the cursor has not reached; some have settled by themselves
}

const (
	// grace is how old an event is when it is looked at: by then most requests have kept their promises, and
	// the order's lifecycle finds nothing left to do.
	grace = time.Second
	// trickle is how long the follower steps back at most, for one event that is new; for one that is n minutes old,
	// trickle/(n+1).
	trickle = 500 * time.Millisecond
	// quiet is how long no order was placed when there is room for lifecycles: one buyer after the other leaves none.
	quiet = 250 * time.Millisecond
	// urgentEvery is how often those who owe something are looked through.
	urgentEvery = time.Second
)

// followerName names the stored cursor.
const followerName = "lifecycle"

// Follow gives orders their lifecycles until ctx ends. The error is of its beginning only.
func (s *Service) Follow(ctx context.Context) error {
	f := &follower{s: s, owing: map[string]time.Time{}}
	if err := s.Book.Watch(ctx, f.note); err != nil {
		return err
	}
	if err := s.Book.Backlog(ctx, followerName, f.note); err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { f.urgent(ctx) })
	s.Book.Follow(ctx, followerName, f.step)
	return nil
}

// note keeps track of who owes something, of the future and of what is between the cursor and the log's end.
func (f *follower) note(e order.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Placed, e.Duty:
		f.owing[e.Order] = e.At
	case e.Decided:
		delete(f.owing, e.Order)
	}
}

// urgent starts the lifecycles of those who owe something for too long, before their turn.
func (f *follower) urgent(ctx context.Context) {
	tick := time.NewTicker(urgentEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, id := range f.due() {
			if err := f.hurry(ctx, id); err != nil {
				telemetry.Log(ctx).Warn().Err(err).Str("order", id).Msg("lifecycle not started, will try again")
				break
			}
		}
	}
}

func (f *follower) due() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, at := range f.owing {
		if f.s.Now().Sub(at) >= f.s.Deadline {
			ids = append(ids, id)
		}
	}
	return ids
}

// hurry gives the order its lifecycle unless its duties are done.
func (f *follower) hurry(ctx context.Context, id string) error {
	f.mu.Lock()
	since := f.owing[id]
	f.mu.Unlock()
	o, _, err := f.s.Book.Get(ctx, id)
	if err == nil && o.Duties().Any() {
		err = f.s.live(ctx, id)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.owing[id].Equal(since) { // it may owe something new meanwhile
		delete(f.owing, id)
	}
	f.mu.Unlock()
	return nil
}

// step handles one event in its turn.
func (f *follower) step(ctx context.Context, e order.Change) error {
	if !wait(ctx, grace-f.s.Now().Sub(e.At)) || !f.stepBack(ctx, e.At) {
		return ctx.Err()
	}
	o, _, err := f.s.Book.Get(ctx, e.Order)
	if err != nil {
		return err
	}
	if !o.Over(f.s.Now(), f.s.ReturnsFor) {
		return f.s.live(ctx, e.Order)
	}
	// Rejected before its turn, most of the time: it needs no lifecycle, and one that it has is to end.
	if e.Placed {
		return nil
	}
	if err := f.s.Workflows.Raise(ctx, e.Order, changedEvent); !errors.Is(err, sidecar.ErrGone) {
		return err
	}
	return nil
}

// stepBack waits until no orders are being placed, for a time that gets shorter as the event gets older.
func (f *follower) stepBack(ctx context.Context, at time.Time) bool {
	age := max(f.s.Now().Sub(at), 0)
	most := time.Duration(float64(trickle) / (1 + age.Minutes()))
	for end := time.Now().Add(most); f.s.placing.busy() && time.Now().Before(end); {
		if !wait(ctx, 10*time.Millisecond) {
			return false
		}
	}
	return ctx.Err() == nil
}

func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// live makes sure that an order has a lifecycle, and that it looks at the order again.
func (s *Service) live(ctx context.Context, id string) error {
	err := s.Workflows.Start(ctx, lifecycleName, id, lifeInput{id})
	if !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	err = s.Workflows.Raise(ctx, id, changedEvent)
	if !errors.Is(err, sidecar.ErrGone) {
		return err
	}
	// Over, and now there is more to it: a refund long after the delivery.
	if err := s.Workflows.Purge(ctx, id); err != nil && !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	if err := s.Workflows.Start(ctx, lifecycleName, id, lifeInput{id}); err != nil && !errors.Is(err, sidecar.ErrExists) {
		return err
	}
	return nil
}

// traffic knows whether something is going on.
type traffic struct {
	underway atomic.Int64
	last     atomic.Int64 // when something ended, in nanoseconds
}

// begin counts a request until the result is called.
func (t *traffic) begin() (end func()) {
	t.underway.Add(1)
	return func() {
		t.last.Store(time.Now().UnixNano())
		t.underway.Add(-1)
	}
}

func (t *traffic) busy() bool {
	return t.underway.Load() > 0 || time.Since(time.Unix(0, t.last.Load())) < quiet
}
