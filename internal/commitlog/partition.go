package commitlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Model folds events into the state of an aggregate.
type Model[S any] struct {
	// Apply returns the state after the event. It is pure: no clock, no I/O, no rule that could refuse, and
	// it does not change what s points to. The zero S is an aggregate without events. S must survive a
	// round trip through JSON.
	Apply func(id string, s S, e Event) (S, error)
	// Version of S's shape, 1 if zero. Raise it when documents that an earlier release wrote do not serve any more:
	// the new release makes its own from the log when it opens.
	Version int
	// Upcasters lift events of shapes that are over. Apply sees the latest only.
	Upcasters Upcasters
}

// Options of a partition. The zero value serves.
type Options struct {
	// Resident keeps every aggregate in memory and reads the whole log at Open: for small models that
	// must be listed or searched.
	Resident bool
	// Rebuild has Open write all documents anew from the log first: see the function of that name.
	Rebuild bool
	// Now is the clock that stamps events; time.Now if nil.
	Now func() time.Time
	// Patience is how long an unknown outcome is pursued before commands fail with ErrUnknown; 2 s if zero.
	Patience time.Duration
	// SyncEvery is how often the log is asked for other writers' commits when nothing else asks; 1 s if zero.
	SyncEvery time.Duration
	// CheckpointEvery is how often documents are written; 1 s if zero.
	CheckpointEvery time.Duration
	// Warm is how many clean aggregates stay in memory; 10,000 if zero.
	Warm int
	// MaxCommands and MaxBytes bound one commit; 512 and 256 KiB if zero.
	MaxCommands, MaxBytes int
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&o.Patience, 2 * time.Second}, {&o.SyncEvery, time.Second}, {&o.CheckpointEvery, time.Second}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	for _, d := range []struct {
		v   *int
		def int
	}{{&o.Warm, 10_000}, {&o.MaxCommands, 512}, {&o.MaxBytes, 256 << 10}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
}

// aggregate is one aggregate in memory.
type aggregate[S any] struct {
	state  S
	seq    uint64
	commit uint64 // the last commit with an event of it
	dirty  bool   // its document is behind
}

// Partition is one log, open for reading and writing. Its methods may be called at the same time.
type Partition[S any] struct {
	service, name string
	store         sidecar.State
	model         Model[S]
	opts          Options
	marks         marks

	queue chan *command[S]
	quit  chan struct{} // closed by Close
	ended chan struct{} // closed when the writer has ended
	done  sync.WaitGroup

	newer atomic.Bool // see Ready

	checkpointing sync.Mutex // one at a time: an older one must not come after a newer

	mu          sync.RWMutex // guards what follows; head and the aggregates' states are changed by the writer alone
	head        uint64
	published   uint64 // events published up to head
	warm        map[string]*aggregate[S]
	evictions   uint64   // how many have left warm
	recent      []Commit // the last commits, oldest first, for those who tail the log
	subscribers []func(Commit)
	changed     chan struct{} // closed and replaced at each commit
}

// Open reads checkpoint and tail (or, Resident, the whole log) and starts the partition's writer. service
// and name are plain words; together with the store they identify the log.
func Open[S any](ctx context.Context, store sidecar.State, service, name string, model Model[S], o Options) (*Partition[S], error) {
	o.defaults()
	if o.Rebuild && !o.Resident {
		if err := Rebuild(ctx, store, name, model); err != nil {
			return nil, err
		}
	}
	p := &Partition[S]{
		service: service, name: name, store: store, model: model, opts: o,
		queue: make(chan *command[S], 4*o.MaxCommands), quit: make(chan struct{}), ended: make(chan struct{}),
		warm: map[string]*aggregate[S]{}, changed: make(chan struct{}),
	}
	if err := p.renew(ctx); err != nil {
		return nil, fmt.Errorf("documents of partition %s, version %d: %w", name, model.Version, err)
	}
	if err := p.recover(ctx); err != nil {
		return nil, fmt.Errorf("open partition %s: %w", name, err)
	}
	background := context.WithoutCancel(ctx)
	p.done.Go(func() {
		defer close(p.ended)
		p.write(background)
	})
	if !o.Resident {
		p.done.Go(func() { p.checkpoints(background) })
	}
	return p, nil
}

// Name of the partition.
func (p *Partition[S]) Name() string { return p.name }

// documentsName is what the partition's documents and checkpoint are kept under.
func (p *Partition[S]) documentsName() string { return versioned(p.name, p.model.Version) }

func (p *Partition[S]) upcasters() Upcasters { return p.model.Upcasters }

// Head is the number of the last commit known here; 0 for an empty log.
func (p *Partition[S]) Head() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.head
}

// Published is how many events the log has published up to its head: the position of the last one.
func (p *Partition[S]) Published() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.published
}

// Subscribe calls fn with every commit from the next on, in order and before the command that made it
// returns. Of a Resident partition it first calls fn with all commits so far, from its log. fn must be
// quick and must not call the partition.
func (p *Partition[S]) Subscribe(ctx context.Context, fn func(Commit)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opts.Resident {
		for n := uint64(1); n <= p.head; {
			commits, err := p.read(ctx, n, readAhead)
			if err != nil {
				return err
			}
			for _, c := range commits {
				if c.N <= p.head {
					fn(c)
				}
			}
			n += uint64(len(commits))
		}
	}
	p.subscribers = append(p.subscribers, fn)
	return nil
}

// Close decides what is queued, writes a last checkpoint, and ends the partition's work.
func (p *Partition[S]) Close(ctx context.Context) error {
	close(p.quit)
	p.done.Wait()
	if p.opts.Resident {
		return nil
	}
	return p.checkpointNow(ctx)
}

// checkpointNow writes a checkpoint. Another process that writes the same documents at the same moment makes
// one fail, so it is tried a few times.
func (p *Partition[S]) checkpointNow(ctx context.Context) (err error) {
	for attempt := range 5 {
		time.Sleep(time.Duration(attempt) * 5 * time.Millisecond)
		if err = p.writeCheckpoint(ctx); err == nil {
			break
		}
	}
	return err
}

// checkpoints writes documents behind the log until the partition closes.
func (p *Partition[S]) checkpoints(ctx context.Context) {
	tick := time.NewTicker(p.opts.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
			if err := p.writeCheckpoint(ctx); err != nil {
				telemetry.Log(ctx).Warn().Err(err).Str("partition", p.name).Msg("checkpoint failed, will try again")
			}
		}
	}
}
