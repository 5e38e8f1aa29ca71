package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// lifecycle runs the background work and the closers of a service.
type lifecycle struct {
	ctx     context.Context
	stop    context.CancelFunc
	fail    context.CancelCauseFunc // ends the service with an error
	works   []work
	running sync.WaitGroup
	closers []closer
}

type work struct {
	name string
	run  func(context.Context) error
}

type closer struct {
	name  string
	close func(context.Context) error
}

func (l *lifecycle) init(ctx context.Context, fail context.CancelCauseFunc) {
	l.ctx, l.stop = context.WithCancel(ctx)
	l.fail = fail
}

// Go registers background work, which starts when Run has returned and must end when its context ends. If it returns an
// error before, the service stops with that error.
func (h *Host) Go(name string, run func(ctx context.Context) error) {
	h.lifecycle.works = append(h.lifecycle.works, work{name, run})
}

// OnClose registers a closer, which is called when all requests are answered and background work has ended. The closer
// that was registered last is called first.
func (h *Host) OnClose(name string, close func(ctx context.Context) error) {
	h.lifecycle.closers = append(h.lifecycle.closers, closer{name, close})
}

func (l *lifecycle) start() {
	for _, w := range l.works {
		l.running.Go(func() {
			if err := w.run(l.ctx); err != nil && l.ctx.Err() == nil {
				l.fail(fmt.Errorf("%s: %w", w.name, err))
			}
		})
	}
}

// closeTimeout limits the end of background work, and then all closers together.
const closeTimeout = 10 * time.Second

func (l *lifecycle) close() error {
	l.stop()
	failed := l.wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), closeTimeout)
	defer cancel()
	for i := len(l.closers) - 1; i >= 0; i-- {
		if err := l.closers[i].close(ctx); err != nil {
			failed = errors.Join(failed, fmt.Errorf("close %s: %w", l.closers[i].name, err))
		}
	}
	return failed
}

// wait waits until all background work has ended. It returns an error after closeTimeout.
func (l *lifecycle) wait() error {
	ended := make(chan struct{})
	go func() { l.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("background work did not end in time")
	}
}
