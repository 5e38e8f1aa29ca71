package workflow

import (
	"context"
	"errors"
	"time"

	dapr "github.com/dapr/dapr/pkg/proto/runtime/v1"

	"haberdash/internal/telemetry"
)

// errDeadlock is what Healthy returns during a deadlock.
var errDeadlock = errors.New("the workflow engine of the sidecar does not accept this worker")

// Healthy returns an error, with interruptions, while the engine is in a deadlock. An app must answer the health
// probe of its sidecar with this error, because a change of the app's health ends the deadlock.
//
// The deadlock is dapr/dapr#10408, in Dapr 1.18.1: when the connection of the last worker breaks while a workflow
// waits for dispatch, the engine waits for that workflow to end before it accepts the next worker, to which it could
// dispatch the workflow. When the app becomes unhealthy, the sidecar drops all calls of the scheduler, among them the
// one for that workflow.
//
// The error comes with interruptions, because an app that stays unhealthy gets no calls, and the engine does not
// accept its worker either: the app is unhealthy for unhealthyFor, then healthy for healthyFor, and so on.
func (a *Adapter) Healthy() error {
	since := a.deadlock.Load()
	if since == 0 || time.Since(time.Unix(0, since))%(unhealthyFor+healthyFor) >= unhealthyFor {
		return nil
	}
	return errDeadlock
}

// The sidecar probes every 3 seconds (dapr/apps.yaml). After three failures it counts the app as unhealthy, after one
// success as healthy.
const (
	unhealthyFor = 13 * time.Second
	healthyFor   = 10 * time.Second
)

const (
	// acceptTimeout is how long the engine may take to accept a worker. It takes milliseconds otherwise.
	acceptTimeout = 2 * time.Second
	// staleWorker is how long the engine may count the previous worker, whose connection has just broken.
	staleWorker = 10 * time.Second
)

// watchDeadlock checks whether the engine has accepted the worker, until it certainly has or the stream ends.
func (w *worker) watchDeadlock(ctx context.Context) {
	defer w.deadlock.Store(0)
	began := time.Now()
	for accepted := began; ; { // when the engine last reported a worker
		n, err := w.connectedWorkers(ctx)
		switch {
		case err != nil:
		case n > 0:
			accepted = time.Now()
			w.deadlock.Store(0)
			if time.Since(began) > staleWorker {
				return
			}
		case time.Since(accepted) > acceptTimeout && w.deadlock.CompareAndSwap(0, time.Now().UnixNano()):
			telemetry.Log(ctx).Error().Err(errDeadlock).
				Msg("the app reports itself unhealthy to its sidecar until the workflow engine accepts the worker")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// connectedWorkers returns how many workers the engine has accepted.
func (a *Adapter) connectedWorkers(ctx context.Context) (int32, error) {
	ctx, cancel := a.withTimeout(ctx)
	defer cancel()
	metadata, err := a.sidecar.GetMetadata(ctx, &dapr.GetMetadataRequest{})
	return metadata.GetWorkflows().GetConnectedWorkers(), err
}
