package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// command waits for its decision in the queue.
type command[S any] struct {
	ids    []string
	decide func(*Tx[S]) error
	place  atomic.Int32 // waiting, taken or abandoned
	commit uint64
	err    error
	done   chan struct{}
}

// Where a command is. A waiting one is either taken by the writer or abandoned by its caller, never both:
// once Do has returned, decide is not called any more.
const (
	waiting int32 = iota
	taken
	abandoned
)

// Do decides a command and commits the events it emits, all or none. decide sees the aggregates named in
// ids (any, if the partition is Resident); it is pure and may be called several times; an error from it
// refuses the command and is returned as it is. The result is the command's commit, or, without events, the
// commit at which it was decided.
//
// Other errors: ErrUnknown (it may have been committed), ErrTooLarge, ErrClosed, ctx's (it was not). A
// command that is being committed when ctx ends is waited for. decide is not called after Do has returned.
func (p *Partition[S]) Do(ctx context.Context, ids []string, decide func(*Tx[S]) error) (uint64, error) {
	c := &command[S]{ids: ids, decide: decide, done: make(chan struct{})}
	select {
	case <-p.quit:
		return 0, ErrClosed
	default:
	}
	select {
	case p.queue <- c:
	case <-p.quit:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case <-c.done:
		return c.commit, c.err
	case <-p.ended:
		select {
		case <-c.done:
			return c.commit, c.err
		default:
			return 0, ErrClosed
		}
	case <-ctx.Done():
		if c.place.CompareAndSwap(waiting, abandoned) {
			return 0, ctx.Err()
		}
		<-c.done
		return c.commit, c.err
	}
}

// Get reads one aggregate; seq is 0 if it has no events. What this process has committed is seen; what
// other processes have, within SyncEvery for an aggregate that is warm here and has events, at once for any other: that
// something is not there is said only when the log was seen to end without it.
func (p *Partition[S]) Get(ctx context.Context, id string) (state S, seq uint64, err error) {
	if state, seq, warm := p.Warm(id); warm && seq > 0 {
		return state, seq, nil
	}
	_, err = p.Do(ctx, []string{id}, func(tx *Tx[S]) error {
		state, seq = tx.State(id)
		return nil
	})
	return state, seq, err
}

// Warm is Get of what is in memory, without asking the store.
func (p *Partition[S]) Warm(id string) (state S, seq uint64, warm bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if a := p.warm[id]; a != nil {
		return a.state, a.seq, true
	}
	return state, 0, false
}

// Current is an aggregate as it was read.
type Current[S any] struct {
	State S
	Seq   uint64 // of its last event
}

// GetMany reads aggregates as Get does, those that are not in memory together; those without events are
// absent from the answer.
func (p *Partition[S]) GetMany(ctx context.Context, ids []string) (map[string]Current[S], error) {
	found := make(map[string]Current[S], len(ids))
	var cold []string
	p.mu.RLock()
	for _, id := range ids {
		if a := p.warm[id]; a == nil || a.seq == 0 {
			cold = append(cold, id)
		} else {
			found[id] = Current[S]{a.state, a.seq}
		}
	}
	p.mu.RUnlock()
	if len(cold) == 0 {
		return found, nil
	}
	var read map[string]Current[S]
	_, err := p.Do(ctx, cold, func(tx *Tx[S]) error {
		read = make(map[string]Current[S], len(cold))
		for _, id := range cold {
			if s, seq := tx.State(id); seq > 0 {
				read[id] = Current[S]{s, seq}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	maps.Copy(found, read)
	return found, nil
}

// All calls fn with each aggregate of a Resident partition, in no order, until it returns false.
func (p *Partition[S]) All(fn func(id string, s S, seq uint64) bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, a := range p.warm {
		if a.seq > 0 && !fn(id, a.state, a.seq) {
			return
		}
	}
}

// Tx is what a command sees and does.
type Tx[S any] struct {
	p       *Partition[S]
	base    map[string]*aggregate[S] // what earlier commands of the batch changed
	changed map[string]*aggregate[S]
	events  []Event
	bytes   int
	now     time.Time
	err     error
}

// State is the aggregate's state, this command's own events included; seq is 0 if it has none.
func (t *Tx[S]) State(id string) (s S, seq uint64) {
	a := t.look(id)
	if a == nil {
		return s, 0
	}
	return a.state, a.seq
}

// Now is the time that the command's events carry, UTC, to the millisecond.
func (t *Tx[S]) Now() time.Time { return t.now }

// Emit adds an event. data is anything that JSON can write.
func (t *Tx[S]) Emit(id, eventType string, data any) { t.add(id, eventType, data, false) }

// Note adds an index event: applied like any other, but not published.
func (t *Tx[S]) Note(id, eventType string, data any) { t.add(id, eventType, data, true) }

func (t *Tx[S]) look(id string) *aggregate[S] {
	if a, ok := t.changed[id]; ok {
		return a
	}
	if a, ok := t.base[id]; ok {
		return a
	}
	return t.p.warm[id]
}

func (t *Tx[S]) add(id, eventType string, data any, internal bool) {
	raw, err := json.Marshal(data)
	if err != nil {
		t.err = fmt.Errorf("encode %s: %w", eventType, err)
		return
	}
	e := Event{Aggregate: id, Seq: 1, Type: eventType, Version: t.p.model.Upcasters.current(eventType), At: t.now, Data: raw, Internal: internal}
	var before aggregate[S]
	if a := t.look(id); a != nil {
		before = *a
		e.Seq, e.Prev = a.seq+1, a.commit
	}
	state, err := t.p.model.Apply(id, before.state, e)
	if err != nil {
		t.err = fmt.Errorf("apply %s: %w", eventType, err)
		return
	}
	t.changed[id] = &aggregate[S]{state: state, seq: e.Seq, commit: before.commit, dirty: true}
	t.events = append(t.events, e)
	t.bytes += len(raw) + len(id) + len(eventType) + 96
}

// missing lists the aggregates that the commands name and memory lacks. Only the writer calls it.
func (p *Partition[S]) missing(batch []*command[S]) []string {
	if p.opts.Resident {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	var ids []string
	seen := map[string]bool{}
	for _, c := range batch {
		for _, id := range c.ids {
			if p.warm[id] == nil && !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids
}
