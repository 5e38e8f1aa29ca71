package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"haberdash/internal/sidecar"
)

// healthFor is how long an app's readiness is believed: probes of many kinds then cost it little.
const healthFor = 500 * time.Millisecond

// health asks the apps whether they are ready, by invocation: so their sidecars are part of the answer.
type health struct {
	invoker sidecar.Invoker
	now     func() time.Time
	flight  singleflight.Group

	mu      sync.Mutex
	checked time.Time
	results map[string]error
}

func newHealth(inv sidecar.Invoker, now func() time.Time) *health {
	return &health{invoker: inv, now: now}
}

// check gives one app's readiness. All apps are asked at once.
func (h *health) check(ctx context.Context, app string) error {
	h.mu.Lock()
	results, fresh := h.results, h.now().Sub(h.checked) < healthFor
	h.mu.Unlock()
	if !fresh {
		v, _, _ := h.flight.Do("", func() (any, error) { return h.ask(context.WithoutCancel(ctx)), nil })
		results = v.(map[string]error)
	}
	return results[app]
}

func (h *health) ask(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	results := map[string]error{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, app := range apps {
		wait.Go(func() {
			err := h.ready(ctx, app)
			mu.Lock()
			defer mu.Unlock()
			results[app] = err
		})
	}
	wait.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results, h.checked = results, h.now()
	return results
}

func (h *health) ready(ctx context.Context, app string) error {
	res, err := h.invoker.Invoke(ctx, sidecar.Request{App: app, Method: http.MethodGet, Path: "/readyz"})
	if err != nil {
		return errSilent // the reason names ports and addresses, and /readyz is public
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is used again
	if res.Status != http.StatusOK {
		return fmt.Errorf("answers %d", res.Status)
	}
	return nil
}

var errSilent = errors.New("does not answer")

// plainly hides the reason of a check that fails.
func plainly(check func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if check(ctx) != nil {
			return errSilent
		}
		return nil
	}
}
