package commitlog

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// Options of a partition. Zero values are replaced by defaults.
type Options struct {
	// Resident keeps every aggregate in memory and reads the whole log in Open. It is meant for small models that are
	// listed or searched.
	Resident bool
	// Rebuild makes Open call the function Rebuild first.
	Rebuild bool
	// Now is the clock for the times of events; time.Now if nil.
	Now func() time.Time
	// Patience is how long the writer tries to learn the outcome of a write before commands fail with ErrUnknown;
	// 2 s if zero.
	Patience time.Duration
	// SyncEvery is how often an idle writer reads the commits of other writers; 1 s if zero.
	SyncEvery time.Duration
	// CheckpointEvery is how often documents are written; 1 s if zero.
	CheckpointEvery time.Duration
	// Warm is how many aggregates stay in memory; 10,000 if zero. There are more while documents wait to be written.
	Warm int
	// Committed is called with the events of each command that has been committed, with the context of the command and
	// before Do returns; nil: nothing is called. It is not called for a command whose outcome Do does not know.
	Committed func(ctx context.Context, events []Event)
	// MaxCommands and MaxBytes bound one commit; 512 and 256 KiB if zero.
	MaxCommands, MaxBytes int
	// Registry gets the metrics of the log; nothing is measured if it is nil.
	Registry prometheus.Registerer
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Patience = cmp.Or(o.Patience, 2*time.Second)
	o.SyncEvery = cmp.Or(o.SyncEvery, time.Second)
	o.CheckpointEvery = cmp.Or(o.CheckpointEvery, time.Second)
	o.Warm = cmp.Or(o.Warm, 10_000)
	o.MaxCommands = cmp.Or(o.MaxCommands, 512)
	o.MaxBytes = cmp.Or(o.MaxBytes, 256<<10)
	return o
}

// Partition is one log, open for reading and writing. Its methods may be called concurrently.
type Partition[S any] struct {
	service, name string
	store         sidecar.State
	model         Model[S]
	opts          Options
	feedPages     feedPages
	metrics       *metrics
	writer        string // random; begins the ids of this writer's attempts to commit
	attempts      uint64 // how many there were; only the writer uses it

	queue  chan *command[S]
	quit   chan struct{} // closed by Close
	ended  chan struct{} // closed when the writer has ended
	worker sync.WaitGroup

	newer       atomic.Bool   // the log has events of a newer release: see Ready
	unpublished atomic.Uint64 // see Unpublished

	checkpointing sync.Mutex    // held while a checkpoint is written: an older one must not replace a newer one
	checkpointed  atomic.Uint64 // the commit of the last checkpoint that this process has written or adopted
	deferred      int           // for how many ticks the documents are left to another process

	// mu guards the fields below. Only the writer changes head and the states of aggregates, so it alone may read them
	// without the lock.
	mu          sync.RWMutex
	head        uint64
	published   uint64 // how many events are published up to head
	warm        map[string]*aggregate[S]
	evictions   uint64            // how many aggregates were removed from warm
	aside       map[string]uint64 // aggregates whose documents are set aside, and the last event then: see SetAside
	recent      []Commit          // the last commits, oldest first
	subscribers []func(Commit)
	changed     chan struct{} // closed and replaced at each commit
}

// Open reads the checkpoint and the commits after it (or, if Resident, the whole log) and starts the partition's
// writer. service and name are plain words; together with the store they identify the log. Errors: ErrNewer, ErrCorrupt
// and those of the store.
func Open[S any](ctx context.Context, store sidecar.State, service, name string, model Model[S], o Options) (
	*Partition[S], error) {
	o = o.withDefaults()
	if o.Rebuild && !o.Resident {
		if err := Rebuild(ctx, store, name, model); err != nil {
			return nil, err
		}
	}
	p := &Partition[S]{
		service: service, name: name, store: store, model: model, opts: o, writer: rand.Text() + ".",
		queue: make(chan *command[S], 4*o.MaxCommands), quit: make(chan struct{}), ended: make(chan struct{}),
		warm: map[string]*aggregate[S]{}, changed: make(chan struct{}), aside: map[string]uint64{},
	}
	if err := p.writeDocumentsOfVersion(ctx); err != nil {
		return nil, fmt.Errorf("documents of partition %s, version %d: %w", name, model.Version, err)
	}
	if err := p.readLog(ctx); err != nil {
		return nil, fmt.Errorf("open partition %s: %w", name, err)
	}
	p.metrics = newMetrics(o.Registry, p)
	background := context.WithoutCancel(ctx)
	p.worker.Go(func() {
		defer close(p.ended)
		p.runWriter(background)
	})
	if !o.Resident {
		p.worker.Go(func() { p.runCheckpoints(background) })
	}
	return p, nil
}

// Close decides the commands in the queue, writes a last checkpoint, and ends the partition's goroutines.
func (p *Partition[S]) Close(ctx context.Context) error {
	close(p.quit)
	p.worker.Wait()
	if p.opts.Resident {
		return nil
	}
	return p.checkpoint(ctx)
}

// Name of the partition.
func (p *Partition[S]) Name() string { return p.name }

// Store is the state store that holds the log.
func (p *Partition[S]) Store() sidecar.State { return p.store }

// documentsName is the name under which the documents and the checkpoint are stored.
func (p *Partition[S]) documentsName() string { return layout.Versioned(p.name, p.model.Version) }

// Ready returns ErrNewer while the log has events that this process does not understand.
func (p *Partition[S]) Ready(context.Context) error {
	if p.newer.Load() {
		return ErrNewer
	}
	return nil
}

// Head is the number of the last commit that this process knows; 0 if the log is empty.
func (p *Partition[S]) Head() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.head
}

// Published is the position of the last event up to the head that other services receive. The publisher may still be
// behind it.
func (p *Partition[S]) Published() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.published
}

// Changed returns a channel that is closed at the next commit.
func (p *Partition[S]) Changed() <-chan struct{} {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.changed
}

// Subscribe calls fn with each further commit, in order, and before the command that made it returns. If the partition
// is Resident, Subscribe first calls fn with all commits of the log so far. fn must be quick and must not call the
// partition.
func (p *Partition[S]) Subscribe(ctx context.Context, fn func(Commit)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opts.Resident {
		for n := uint64(1); n <= p.head; {
			commits, err := p.readCommits(ctx, n, layout.ReadAhead)
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
