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

	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
)

const (
	readinessLifetime = 500 * time.Millisecond // how long a result is used again: several probes then cost one check
	readinessTimeout  = 1500 * time.Millisecond
)

// readiness asks the apps whether they are ready, through the sidecars, so that the sidecars are checked, too.
type readiness struct {
	invoker sidecar.Invoker
	now     func() time.Time
	flight  singleflight.Group

	mu      sync.Mutex
	checked time.Time
	results map[string]error // by app
}

// check returns nil if an app is ready. It asks all apps at once.
func (c *readiness) check(ctx context.Context, app string) error {
	c.mu.Lock()
	results, fresh := c.results, c.now().Sub(c.checked) < readinessLifetime
	c.mu.Unlock()
	if !fresh {
		v, _, _ := c.flight.Do("", func() (any, error) { return c.checkAll(context.WithoutCancel(ctx)), nil })
		results = v.(map[string]error)
	}
	return results[app]
}

func (c *readiness) checkAll(ctx context.Context) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, readinessTimeout)
	defer cancel()
	results := map[string]error{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, app := range roster.Serving() {
		wait.Go(func() {
			err := c.ask(ctx, app)
			mu.Lock()
			defer mu.Unlock()
			results[app] = err
		})
	}
	wait.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.results, c.checked = results, c.now()
	return results
}

func (c *readiness) ask(ctx context.Context, app string) error {
	res, err := c.invoker.Invoke(ctx, sidecar.Request{App: app, Method: http.MethodGet, Path: "/readyz"})
	if err != nil {
		return errNoAnswer // the reason names ports and addresses, and /readyz is public
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.Status != http.StatusOK {
		return fmt.Errorf("answers %d", res.Status)
	}
	return nil
}

var errNoAnswer = errors.New("does not answer")

// withoutReason hides why a check failed.
func withoutReason(check func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if check(ctx) != nil {
			return errNoAnswer
		}
		return nil
	}
}
