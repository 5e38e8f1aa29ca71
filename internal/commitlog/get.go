package commitlog

import (
	"context"
	"maps"
)

// Get reads one aggregate; seq is the number of its last event, 0 if it has none.
//
// Get sees what this process has committed. An aggregate that has events and is in memory may be up to SyncEvery behind
// other processes. Any other is read from the log, so that Get reports an aggregate as missing only after the log ended
// without it. Errors: as of Do.
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

// GetMany reads aggregates as Get does, and those that are not in memory with one command. Aggregates without events
// are absent from the answer.
func (p *Partition[S]) GetMany(ctx context.Context, ids []string) (map[string]Current[S], error) {
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
	var read map[string]Current[S]
	_, err := p.Do(ctx, others, func(tx *Tx[S]) error {
		read = make(map[string]Current[S], len(others))
		for _, id := range others {
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
