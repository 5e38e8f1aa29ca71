// Package background runs tasks after the answer to a request: mail and records that a client need not wait for, and
// whose time must not show the client whether an account exists.
package background

import (
	"context"
	"fmt"
	"sync"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
)

const (
	maxTasks = 256              // that run at once
	timeout  = 30 * time.Second // of a task
)

// Tasks runs tasks, at most 256 at once and each for at most 30 s. It is safe for concurrent use.
type Tasks struct {
	slots   chan struct{}
	running sync.WaitGroup
}

// New makes Tasks.
func New() *Tasks { return &Tasks{slots: make(chan struct{}, maxTasks)} }

// Go starts a task. The task outlives ctx and has its values. An error of the task is logged with its name. Error:
// unavailable (503) if too many tasks are running.
func (t *Tasks) Go(ctx context.Context, name string, run func(context.Context) error) error {
	select {
	case t.slots <- struct{}{}:
	default:
		return fault.New(fault.Unavailable, "unavailable", "Too much mail is under way. Try again in a moment.").
			After(2 * time.Second)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	t.running.Go(func() {
		defer cancel()
		defer func() { <-t.slots }()
		if err := run(ctx); err != nil {
			telemetry.Log(ctx).Error().Err(err).Msg(name + " failed")
		}
	})
	return nil
}

// Wait waits until all tasks have ended, or returns an error when ctx ends first.
func (t *Tasks) Wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { t.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("background tasks have not ended: %w", ctx.Err())
	}
}
