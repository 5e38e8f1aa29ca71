package daprd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// How long a worker waits before it connects again, and repeats the delivery of a result.
const (
	soon  = 50 * time.Millisecond
	later = time.Second
)

// linger is how long the engine gets to store the last results: it does so only while a worker is connected.
const linger = 200 * time.Millisecond

// maxPayload bounds an input or result, in bytes: the sidecar takes messages of 4 MB.
const maxPayload = 1 << 20

// Run implements sidecar.WorkflowHost.
func (w *Workflows) Run(ctx context.Context) error {
	r := &worker{
		Workflows: w, replays: make(chan struct{}, w.opts.Workflows), running: make(chan struct{}, w.opts.Activities),
	}
	defer r.drain(ctx, nil, later) // what is left has been told to end
	log := telemetry.Log(ctx)
	for wait := soon; ctx.Err() == nil; wait = min(2*wait, later) {
		began := time.Now()
		err := r.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		log.Warn().Err(err).Msg("workflow engine lost; connecting again")
		if time.Since(began) > later {
			wait = soon
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// worker is one Run. Work that came over one stream belongs to it: when it ends, the engine hands the same
// work out again, so nothing of it is finished or delivered then. A late result could even be taken for
// another activity's, because after Again the engine counts activities from the start.
type worker struct {
	*Workflows
	replays, running chan struct{} // a token for each that may be under way

	mu      sync.Mutex
	closing bool // no new work
	items   sync.WaitGroup
}

// serve works on one stream until it ends, or until ctx does and the activities under way have finished.
func (r *worker) serve(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stream, err := r.hub.GetWorkItems(life, &protos.GetWorkItemsRequest{})
	if err != nil {
		return err
	}
	go r.watch(life)
	lost := make(chan error, 1)
	go func() {
		for {
			item, err := stream.Recv()
			if err != nil {
				lost <- err
				return
			}
			r.take(life, item)
		}
	}()
	select {
	case err := <-lost:
		return err
	case <-ctx.Done():
		r.mu.Lock()
		r.closing = true
		r.mu.Unlock()
		r.drain(ctx, lost, r.opts.Drain)
		select {
		case <-lost:
		case <-time.After(linger):
		}
		return nil
	}
}

// take begins with an item. One that comes after the end is left: the engine gives it to the next worker.
func (r *worker) take(ctx context.Context, item *protos.WorkItem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closing {
		r.items.Go(func() { r.work(ctx, item) })
	}
}

// drain waits until all work has ended, within a bound.
func (r *worker) drain(ctx context.Context, lost <-chan error, within time.Duration) {
	finished := make(chan struct{})
	go func() { r.items.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-lost:
	case <-time.After(within):
		telemetry.Log(ctx).Warn().Msg("not all activities under way have ended; they will be run again")
	}
}

func (r *worker) work(ctx context.Context, item *protos.WorkItem) {
	turn := r.running
	if item.GetWorkflowRequest() != nil {
		turn = r.replays
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return
	}
	r.mu.Lock()
	closing := r.closing
	r.mu.Unlock()
	if closing {
		return // it only waited for its turn
	}
	if req := item.GetWorkflowRequest(); req != nil {
		res := r.replay(ctx, req)
		r.deliver(ctx, req.GetInstanceId(), func(ctx context.Context) error {
			_, err := r.hub.CompleteWorkflowTask(ctx, res)
			return err
		})
	} else if req := item.GetActivityRequest(); req != nil {
		res := r.perform(ctx, req)
		r.deliver(ctx, req.GetWorkflowInstance().GetInstanceId(), func(ctx context.Context) error {
			_, err := r.hub.CompleteActivityTask(ctx, res)
			return err
		})
	}
}

// deliver hands over a result. The engine waits for it as long as the stream lives, so it is tried as long.
func (r *worker) deliver(ctx context.Context, id string, send func(context.Context) error) {
	for wait := soon; ctx.Err() == nil; wait = min(2*wait, later) {
		bounded, cancel := r.c.bound(ctx)
		err := send(bounded)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		telemetry.Log(ctx).Warn().Err(err).Str("workflow", id).Msg("the workflow engine does not take a result")
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// perform runs one attempt of an activity.
func (r *worker) perform(ctx context.Context, req *protos.ActivityRequest) *protos.ActivityResponse {
	id := req.GetWorkflowInstance().GetInstanceId()
	ctx = telemetry.WithTrace(ctx, telemetry.NewTrace(req.GetParentTraceContext().GetTraceParent(), ""))
	ctx, cancel := context.WithTimeout(ctx, r.opts.ActivityTimeout)
	defer cancel()
	res := &protos.ActivityResponse{InstanceId: id, TaskId: req.GetTaskId()}
	data, err := attempt(ctx, r.activities[req.GetName()], json.RawMessage(req.GetInput().GetValue()))
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("workflow", id).Str("activity", req.GetName()).Msg("activity failed")
		res.FailureDetails = &protos.TaskFailureDetails{ErrorType: fmt.Sprintf("%T", err), ErrorMessage: err.Error()}
		return res
	}
	res.Result = wrapperspb.String(string(data))
	return res
}

func attempt(ctx context.Context, fn sidecar.Activity, in json.RawMessage) (data []byte, err error) {
	if fn == nil {
		return nil, errors.New("no activity of this name is registered")
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	out, err := fn(ctx, in)
	if err != nil {
		return nil, err
	}
	if data, err = json.Marshal(out); err == nil && len(data) > maxPayload {
		err = fmt.Errorf("a result of %d bytes is too large", len(data))
	}
	return data, err
}
