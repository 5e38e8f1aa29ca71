package workflow

import (
	"context"
	"sync"
	"time"

	"github.com/dapr/durabletask-go/api/protos"

	"haberdash/internal/telemetry"
)

// The waits before a worker connects again, and before it delivers a result again.
const (
	minWait = 50 * time.Millisecond
	maxWait = time.Second
)

// lastResults is how long a worker stays connected after its last result: the engine stores results only while a worker
// is connected.
const lastResults = 200 * time.Millisecond

// Run implements sidecar.WorkflowHost.
func (a *Adapter) Run(ctx context.Context) error {
	w := &worker{
		Adapter: a, replays: make(chan struct{}, a.opts.Workflows), running: make(chan struct{}, a.opts.Activities),
	}
	defer w.drain(ctx, nil, maxWait) // the contexts of the items that are left have ended
	log := telemetry.Log(ctx)
	for wait := minWait; ctx.Err() == nil; wait = min(2*wait, maxWait) {
		began := time.Now()
		err := w.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		log.Warn().Err(err).Msg("connection to the workflow engine lost; connecting again")
		if time.Since(began) > maxWait {
			wait = minWait
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// worker is one call of Run. A work item belongs to the stream over which it came: when the stream ends, the engine
// dispatches the same item again, so the worker gives the item up and delivers no result. A late result could even be
// taken for that of another activity, because the numbers of actions begin from zero again after ContinueAsNew.
type worker struct {
	*Adapter
	replays, running chan struct{} // one token for each replay, and for each activity, under way

	mu      sync.Mutex
	closing bool // the worker begins no further item
	items   sync.WaitGroup
}

// serve works on one stream. It returns when the stream ends, or when ctx has ended and the activities under way have
// finished.
func (w *worker) serve(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stream, err := w.engine.GetWorkItems(life, &protos.GetWorkItemsRequest{})
	if err != nil {
		return err
	}
	go w.watchDeadlock(life)
	lost := make(chan error, 1)
	go func() {
		for {
			item, err := stream.Recv()
			if err != nil {
				lost <- err
				return
			}
			w.accept(life, item)
		}
	}()
	select {
	case err := <-lost:
		return err
	case <-ctx.Done():
		w.mu.Lock()
		w.closing = true
		w.mu.Unlock()
		w.drain(ctx, lost, w.opts.Drain)
		select {
		case <-lost:
		case <-time.After(lastResults):
		}
		return nil
	}
}

// accept begins to process an item. A worker that is closing ignores the item: the engine dispatches it to the next
// one.
func (w *worker) accept(ctx context.Context, item *protos.WorkItem) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closing {
		w.items.Go(func() { w.process(ctx, item) })
	}
}

// drain waits until all items are processed, until the stream is lost, or until the timeout.
func (w *worker) drain(ctx context.Context, lost <-chan error, timeout time.Duration) {
	finished := make(chan struct{})
	go func() { w.items.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-lost:
	case <-time.After(timeout):
		telemetry.Log(ctx).Warn().Msg("some activities have not finished in time; they will run again")
	}
}
