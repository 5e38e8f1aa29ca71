package commitlog

import (
	"context"
	"errors"
	"maps"
)

// CatchUp returns when this process has applied everything that any process had committed before the call. It reads the
// next commit, once for all commands and reads that wait at the same time. Errors: as of Do.
func (p *Partition[S]) CatchUp(ctx context.Context) error {
	_, err := p.Do(ctx, nil, func(*Tx[S]) error { return nil })
	return err
}

// Get reads one aggregate as it is at the end of the log; seq is the number of its last event, 0 if it has none. The
// result includes every command that any process has answered before the call. It costs what CatchUp costs, and for an
// aggregate that is not in memory another read. Errors: as of Do.
func (p *Partition[S]) Get(ctx context.Context, id string) (state S, seq uint64, err error) {
	_, err = p.Do(ctx, []string{id}, func(tx *Tx[S]) error {
		state, seq = tx.State(id)
		return nil
	})
	return state, seq, err
}

// GetOrRecent is Get, but while the store does not answer it returns what memory has. Then no process can commit,
// unless only this one is cut off from the store. It is meant for readers, and not for decisions.
func (p *Partition[S]) GetOrRecent(ctx context.Context, id string) (state S, seq uint64, err error) {
	state, seq, err = p.Get(ctx, id)
	if errors.Is(err, ErrUnknown) {
		if state, seq, warm := p.Warm(id); warm && seq > 0 {
			return state, seq, nil
		}
	}
	return state, seq, err
}

// Recent reads one aggregate from memory, without a call of the store, if it is there and has events. It may then be up
// to SyncEvery behind other processes. Any other aggregate is read as by Get, so a missing one is missing at the end of
// the log. Errors: as of Do.
func (p *Partition[S]) Recent(ctx context.Context, id string) (state S, seq uint64, err error) {
	if state, seq, warm := p.Warm(id); warm && seq > 0 {
		return state, seq, nil
	}
	return p.Get(ctx, id)
}

// Warm reads an aggregate from memory only; warm is false if it is not there.
func (p *Partition[S]) Warm(id string) (state S, seq uint64, warm bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if a := p.warm[id]; a != nil {
		return a.state, a.seq, true
	}
	return state, 0, false
}

// Current is the state of an aggregate when it was read.
type Current[S any] struct {
	State S
	Seq   uint64 // of its last event
}

// GetMany reads aggregates as Get does, all with one command. Aggregates without events are absent from the answer.
func (p *Partition[S]) GetMany(ctx context.Context, ids []string) (map[string]Current[S], error) {
	var found map[string]Current[S]
	_, err := p.Do(ctx, ids, func(tx *Tx[S]) error {
		found = make(map[string]Current[S], len(ids))
		for _, id := range ids {
			if s, seq := tx.State(id); seq > 0 {
				found[id] = Current[S]{s, seq}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// RecentMany reads aggregates as Recent does: from memory, and those that are not there with one command.
func (p *Partition[S]) RecentMany(ctx context.Context, ids []string) (map[string]Current[S], error) {
	found := make(map[string]Current[S], len(ids))
	var others []string
	p.mu.RLock()
	for _, id := range ids {
		if a := p.warm[id]; a == nil || a.seq == 0 {
			others = append(others, id)
		} else {
			found[id] = Current[S]{a.state, a.seq}
		}
	}
	p.mu.RUnlock()
	if len(others) == 0 {
		return found, nil
	}
	read, err := p.GetMany(ctx, others)
	if err != nil {
		return nil, err
	}
	maps.Copy(found, read)
	return found, nil
}

// All calls fn with each aggregate of a Resident partition, in no order, until fn returns false.
func (p *Partition[S]) All(fn func(id string, s S, seq uint64) bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id, a := range p.warm {
		if a.seq > 0 && !fn(id, a.state, a.seq) {
			return
		}
	}
}
