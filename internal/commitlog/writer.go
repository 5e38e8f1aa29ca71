package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// runWriter is the partition's one writer goroutine. Only it changes the aggregates in memory. It ends when the
// partition is closed and the queue is empty.
func (p *Partition[S]) runWriter(ctx context.Context) {
	tick := time.NewTicker(p.opts.SyncEvery)
	defer tick.Stop()
	var batch []*command[S]
	for {
		if len(batch) == 0 {
			select {
			case c := <-p.queue:
				batch = append(batch, c)
			case <-tick.C:
				p.syncIdle(ctx)
				p.evictClean()
				continue
			case <-p.quit:
				if len(p.queue) == 0 {
					return
				}
				continue
			}
		}
		batch = p.processBatch(ctx, p.fillBatch(batch))
	}
}

// idleSyncTimeout bounds a read of the log that no command has caused: commands would wait for it.
const idleSyncTimeout = 500 * time.Millisecond

func (p *Partition[S]) syncIdle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, idleSyncTimeout)
	defer cancel()
	if err := p.sync(ctx); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Log, p.name).Msg("cannot read the log")
	}
}

// fillBatch adds commands from the queue, at most as many as a commit may have.
func (p *Partition[S]) fillBatch(batch []*command[S]) []*command[S] {
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

// processBatch decides a batch, commits its events and answers its commands. It returns the commands that did not fit
// into the commit.
func (p *Partition[S]) processBatch(ctx context.Context, batch []*command[S]) (rest []*command[S]) {
	batch = acceptCommands(batch)
	for started := time.Now(); len(batch) > 0; {
		d, err := p.decideBatch(ctx, batch)
		if err == nil {
			var final bool
			if final, err = p.commitAndAnswer(ctx, d); err == nil && !final {
				continue // another writer has committed: decide again, after its commits
			}
		}
		if err == nil {
			return d.rest
		}
		if errors.Is(err, ErrCorrupt) && len(batch) > 1 {
			p.processEach(ctx, batch)
			return nil
		}
		permanent := errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer)
		if time.Since(started) < p.opts.Patience && !permanent && !errors.Is(err, ErrUnknown) {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		failed := slices.Concat(d.batch, d.rest)
		if !permanent {
			err = fmt.Errorf("%w: %w", ErrUnknown, err)
			// The commands in the queue have waited as long. If each of them waited for the store again, the last would
			// wait many times as long.
			failed = append(failed, acceptCommands(p.fillBatch(nil))...)
		}
		for _, c := range failed {
			c.answer(0, err)
		}
		return nil
	}
	return nil
}

// processEach processes commands one by one, so that one whose aggregate cannot be read fails alone.
func (p *Partition[S]) processEach(ctx context.Context, batch []*command[S]) {
	for _, c := range batch {
		p.processBatch(ctx, []*command[S]{c})
	}
}

// acceptCommands removes the commands that their callers have abandoned.
func acceptCommands[S any](batch []*command[S]) []*command[S] {
	accepted := batch[:0]
	for _, c := range batch {
		if c.accept() {
			accepted = append(accepted, c)
		}
	}
	return accepted
}

// decision is the outcome of a batch if commit head+1 is its own.
type decision[S any] struct {
	head    uint64
	batch   []*command[S]
	refused []error       // of each command, nil for one that is not refused
	rest    []*command[S] // commands that do not fit into the commit
	changed map[string]*aggregate[S]
	events  []Event
	bytes   int
}

// traces lists the traces of the commands, as far as they are recorded.
func (d *decision[S]) traces() (parents []string) {
	for _, c := range d.batch {
		if c.origin.trace != "" {
			parents = append(parents, c.origin.trace)
		}
	}
	return parents
}

// decideBatch decides commands one after the other. Each sees the events of those before it.
func (p *Partition[S]) decideBatch(ctx context.Context, batch []*command[S]) (*decision[S], error) {
	d := &decision[S]{head: p.head, batch: batch, changed: map[string]*aggregate[S]{}}
	if !p.opts.Resident {
		if err := p.loadDocuments(ctx, namedBy(batch)); err != nil {
			return d, err
		}
	}
	now := p.opts.Now().UTC().Truncate(time.Millisecond)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for i, c := range batch {
		tx := &Tx[S]{partition: p, earlier: d.changed, changed: map[string]*aggregate[S]{}, now: now,
			origin: c.origin}
		err := c.decide(tx)
		if err == nil {
			err = tx.err
		}
		if err == nil && tx.bytes > p.opts.MaxBytes {
			err = fmt.Errorf("%w: %d bytes", ErrTooLarge, tx.bytes)
		}
		if err == nil && i > 0 && d.bytes+tx.bytes > p.opts.MaxBytes {
			d.batch, d.rest = batch[:i], batch[i:]
			break
		}
		d.refused = append(d.refused, err)
		if c.events = tx.events; err != nil {
			continue
		}
		maps.Copy(d.changed, tx.changed)
		d.events = append(d.events, tx.events...)
		d.bytes += tx.bytes
	}
	return d, nil
}

// commitAndAnswer commits the events of a decision, or, if it has none, checks that the log still ends where it was
// made. Then it answers the commands. It returns false if another writer has committed, so that the batch must be
// decided again.
func (p *Partition[S]) commitAndAnswer(ctx context.Context, d *decision[S]) (bool, error) {
	if len(d.events) == 0 {
		if err := p.sync(ctx); err != nil {
			return false, err
		}
		if p.head != d.head {
			return false, nil
		}
	} else {
		c := Commit{N: d.head + 1, Attempt: p.nextAttempt(), Before: p.published, Events: d.events}
		write, span := telemetry.StartBatch(ctx, "write "+p.name, trace.SpanKindInternal, d.traces()...)
		started := time.Now()
		created, err := p.createCommit(write, c)
		p.metrics.observeWrite(started, len(d.batch), created, err)
		telemetry.End(span, err)
		if err != nil {
			return false, err
		}
		if !created {
			return false, p.sync(ctx)
		}
		p.applyOwnCommit(c, d.changed)
	}
	for i, c := range d.batch {
		c.answer(p.head, d.refused[i])
	}
	return true, nil
}

// nextAttempt is the id of the next attempt to commit. It begins with the id of the writer, so that the writer
// recognises its commit even if it has learned of it from the log only, after a put without an answer.
func (p *Partition[S]) nextAttempt() string {
	p.attempts++
	return p.writer + strconv.FormatUint(p.attempts, 10)
}

// createCommit creates the commit's key, which another writer may have created. While the outcome is unknown, it tries
// again with the same bytes.
func (p *Partition[S]) createCommit(ctx context.Context, c Commit) (created bool, err error) {
	value, err := json.Marshal(c)
	if err != nil {
		return false, fmt.Errorf("encode commit: %w", err)
	}
	for started, wait := time.Now(), 5*time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		switch err = p.store.Create(ctx, layout.CommitKey(p.name, c.N), value); {
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

// applyOwnCommit applies a commit of this process to memory.
func (p *Partition[S]) applyOwnCommit(c Commit, changed map[string]*aggregate[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range changed {
		a.commit = c.N
		p.warm[id] = a
	}
	p.advanceHead(c)
}

// recentCommits is how many commits at least stay in memory, so that a follower of the log that keeps up reads nothing
// from the store.
const recentCommits = 32

// advanceHead makes c the last commit and tells subscribers and followers. The caller has locked p.mu.
func (p *Partition[S]) advanceHead(c Commit) {
	p.head, p.published = c.N, c.publishedUpTo()
	c.Own = strings.HasPrefix(c.Attempt, p.writer)
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
