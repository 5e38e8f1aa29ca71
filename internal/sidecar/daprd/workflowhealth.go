package daprd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"haberdash/internal/telemetry"
)

// errWedged tells the sidecar's health probe what its log does not.
var errWedged = errors.New("the sidecar's workflow engine does not let this worker in")

// Healthy fails, now and then, while the engine is in a deadlock of Dapr's (dapr/dapr#10408; 1.18): when the
// last worker's connection breaks while a workflow waits to be handed out, the engine waits for that workflow to
// end, and makes the next worker wait, to whom it could be handed. What ends it is a change of the app's health:
// the sidecar then drops all calls of the scheduler, among them the one for that workflow. So an app should answer
// its sidecar's health probe with this error.
//
// It is a change that helps. An app that stays ill gets no calls, nor does the engine let it in: after illFor the
// app is well again for wellFor, and so on in turn.
func (w *Workflows) Healthy() error {
	since := w.wedged.Load()
	if since == 0 || time.Since(time.Unix(0, since))%(illFor+wellFor) >= illFor {
		return nil
	}
	return errWedged
}

// The sidecar looks every 3 seconds (dapr/apps.yaml), takes three failures for an illness and one success for its end.
const (
	illFor  = 13 * time.Second
	wellFor = 10 * time.Second
)

// How long the engine may take to let a worker in, which is a matter of milliseconds, and how long it may
// count the worker before, whose connection has just broken.
const (
	letIn   = 2 * time.Second
	settled = 10 * time.Second
)

// watch looks whether the engine has let the worker in, until it has or the stream ends.
func (r *worker) watch(ctx context.Context) {
	defer r.wedged.Store(0)
	began := time.Now()
	for seen := began; ; { // when a worker was last known to be in
		n, err := r.c.workers(ctx)
		switch {
		case err != nil:
		case n > 0:
			seen = time.Now()
			r.wedged.Store(0)
			if time.Since(began) > settled {
				return
			}
		case time.Since(seen) > letIn && r.wedged.CompareAndSwap(0, time.Now().UnixNano()):
			telemetry.Log(ctx).Error().Err(errWedged).Msg("the sidecar is told that this app is ill, until it does")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// workers asks the sidecar how many workers its engine has let in.
func (c *Client) workers(ctx context.Context) (int, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1.0/metadata", nil)
	if err != nil {
		return 0, err
	}
	if c.opts.APIToken != "" {
		req.Header.Set("dapr-api-token", c.opts.APIToken)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var meta struct {
		Workflows struct {
			ConnectedWorkers int `json:"connectedWorkers"`
		} `json:"workflows"`
	}
	if err := json.NewDecoder(res.Body).Decode(&meta); err != nil || res.StatusCode >= 300 {
		return 0, fmt.Errorf("metadata: status %d: %w", res.StatusCode, err)
	}
	return meta.Workflows.ConnectedWorkers, nil
}
