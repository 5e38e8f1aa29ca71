package commitlog

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// write is the partition's one writer goroutine: it alone changes what is in memory.
func (p *Partition[S]) write(ctx context.Context) {
	tick := time.NewTicker(p.opts.SyncEvery)
	defer tick.Stop()
	var left []*command[S]
	for {
		if len(left) == 0 {
			select {
			case c := <-p.queue:
				left = append(left, c)
			case <-tick.C:
				p.look(ctx)
				p.evict()
				continue
			case <-p.quit:
				if len(p.queue) == 0 {
					return
				}
				continue
			}
		}
		left = p.gather(left)
		left = p.process(ctx, left)
	}
}

// lookPatience bounds a look at the log that nobody has asked for: commands wait behind it.
const lookPatience = 500 * time.Millisecond

func (p *Partition[S]) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if err := p.sync(ctx); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("partition", p.name).Msg("cannot read the log")
	}
}

// gather adds what waits in the queue, up to a commit's worth.
func (p *Partition[S]) gather(batch []*command[S]) []*command[S] {
	for len(batch) < p.opts.MaxCommands {
		select {
		case c := <-p.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// process decides and commits the batch and answers its commands; it returns those that did not fit.
func (p *Partition[S]) process(ctx context.Context, batch []*command[S]) (left []*command[S]) {
	batch = take(batch)
	for started := time.Now(); len(batch) > 0; {
		d, err := p.decide(ctx, batch)
		if err == nil {
			var settled bool
			if settled, err = p.settle(ctx, d); err == nil && !settled {
				continue // another writer was faster: decide again on top of what it wrote
			}
		}
		if err != nil {
			if time.Since(started) < p.opts.Patience && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrNewer) {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
				err = fmt.Errorf("%w: %w", ErrUnknown, err)
			}
			// Those that wait behind have had their patience too: one after the other they would wait ever longer.
			for _, c := range slices.Concat(d.batch, d.left, take(p.gather(nil))) {
				c.finish(0, err)
			}
			return nil
		}
		return d.left
	}
	return nil
}

// take leaves out the commands whose callers have gone; the others are now decided whatever happens.
func take[S any](batch []*command[S]) []*command[S] {
	kept := batch[:0]
	for _, c := range batch {
		if c.place.CompareAndSwap(waiting, taken) || c.place.Load() == taken {
			kept = append(kept, c)
		}
	}
	return kept
}

func (c *command[S]) finish(commit uint64, err error) {
	c.commit, c.err = commit, err
	close(c.done)
}

// decision is a batch decided on top of the commit head.
type decision[S any] struct {
	head        uint64
	batch, left []*command[S]
	verdicts    []error
	changed     map[string]*aggregate[S]
	events      []Event
	bytes       int
}

func (p *Partition[S]) decide(ctx context.Context, batch []*command[S]) (*decision[S], error) {
	d := &decision[S]{head: p.head, batch: batch, changed: map[string]*aggregate[S]{}}
	if err := p.load(ctx, p.missing(batch)); err != nil {
		return d, err
	}
	now := p.opts.Now().UTC().Truncate(time.Millisecond)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for i, c := range batch {
		tx := &Tx[S]{p: p, base: d.changed, changed: map[string]*aggregate[S]{}, now: now}
		err := c.decide(tx)
		if err == nil {
			err = tx.err
		}
		if err == nil && tx.bytes > p.opts.MaxBytes {
			err = fmt.Errorf("%w: %d bytes", ErrTooLarge, tx.bytes)
		}
		if err == nil && i > 0 && d.bytes+tx.bytes > p.opts.MaxBytes {
			d.batch, d.left = batch[:i], batch[i:]
			break
		}
		d.verdicts = append(d.verdicts, err)
		if err != nil {
			continue
		}
		for id, a := range tx.changed {
			d.changed[id] = a
		}
		d.events = append(d.events, tx.events...)
		d.bytes += tx.bytes
	}
	return d, nil
}

// settle makes the decision final: by its commit or, when there is nothing to commit, by seeing that
// the log still ends where it was made. It answers false when the log has grown meanwhile.
func (p *Partition[S]) settle(ctx context.Context, d *decision[S]) (bool, error) {
	if len(d.events) == 0 {
		if err := p.sync(ctx); err != nil {
			return false, err
		}
		if p.head != d.head {
			return false, nil
		}
	} else {
		c := Commit{N: d.head + 1, Writer: rand.Text(), Before: p.published, Events: d.events}
		won, err := p.put(ctx, c)
		if err != nil {
			return false, err
		}
		if !won {
			return false, p.sync(ctx)
		}
		p.advance(c, d.changed)
	}
	for i, c := range d.batch {
		c.finish(p.head, d.verdicts[i])
	}
	return true, nil
}

// put creates the commit's key, pursuing an unknown outcome with the same bytes under the same key.
func (p *Partition[S]) put(ctx context.Context, c Commit) (won bool, err error) {
	value, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("encode commit: %w", err)
	}
	for started, wait := time.Now(), 5*time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		switch err = p.store.Create(ctx, logKey(p.name, c.N), value); {
		case err == nil:
			return true, nil
		case errors.Is(err, sidecar.ErrExists):
			return false, nil
		case time.Since(started) > p.opts.Patience:
			return false, fmt.Errorf("%w: commit %d of %s: %w", ErrUnknown, c.N, p.name, err)
		}
		time.Sleep(wait)
	}
}

// advance takes a commit of this process into memory.
func (p *Partition[S]) advance(c Commit, changed map[string]*aggregate[S]) {
	p.mu.Lock()
	for id, a := range changed {
		a.commit = c.N
		p.warm[id] = a
	}
	p.announce(c)
	p.mu.Unlock()
}

// recentCommits is how many commits at least stay in memory for who tails the log: a tail that keeps up
// reads nothing from the store.
const recentCommits = 32

// announce moves the head and tells the subscribers; p.mu is held.
func (p *Partition[S]) announce(c Commit) {
	p.head, p.published = c.N, c.after()
	if len(p.recent) >= 2*recentCommits {
		p.recent = append([]Commit(nil), p.recent[recentCommits:]...)
	}
	p.recent = append(p.recent, c)
	for _, fn := range p.subscribers {
		fn(c)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}
