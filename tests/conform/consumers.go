package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
	described "haberdash/tests/contract"
)

func tryPositions(ctx context.Context, s *subject) error {
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	list, err := s.caughtUp(ctx)
	if err != nil {
		return err
	}
	if err := s.checkShape(ctx); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range list {
		name := c.Source + "/" + c.Partition
		if seen[name] {
			return fmt.Errorf("GET /internal/consumers has two positions in the log %s", name)
		}
		seen[name] = true
	}
	return nil
}

// checkShape compares the answer to GET /internal/consumers with the description of an app that only follows logs.
func (s *subject) checkShape(ctx context.Context) error {
	const path = "/internal/consumers"
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	checker, err := described.NewChecker(s.root)
	if err != nil {
		return err
	}
	checker.Exchange(described.Exchange{
		App: roster.Notifications, Request: request, Status: a.Status, Header: a.Header, Response: a.Body,
	})
	if wrong := checker.Findings(); len(wrong) > 0 {
		return fmt.Errorf("the answer to GET %s is not as api/internal/notifications.json describes it: %s", path, wrong[0])
	}
	return nil
}

func tryGaps(ctx context.Context, s *subject) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	s.gate.set(drop)
	defer s.gate.release()
	for range 2 {
		if _, err := s.buy(ctx); err != nil {
			return err
		}
	}
	if _, err := s.caughtUp(ctx); err != nil {
		return fmt.Errorf("the messages of two purchases were lost: %w", err)
	}
	return nil
}

func tryOrder(ctx context.Context, s *subject) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	before, err := s.caughtUp(ctx)
	if err != nil {
		return err
	}
	s.gate.set(hold)
	defer s.gate.release()
	for range 2 {
		if _, err := s.buy(ctx); err != nil {
			return err
		}
	}
	if err := s.deliverBackwards(ctx); err != nil {
		return err
	}
	s.gate.release()
	after, err := s.caughtUp(ctx)
	if err != nil {
		return err
	}
	return s.noneFell(before, after)
}

// deliverBackwards delivers the last event of each log before those that the gate holds. The app may answer RETRY.
func (s *subject) deliverBackwards(ctx context.Context) error {
	messages, err := s.history(ctx)
	if err != nil {
		return err
	}
	for _, f := range s.topics() {
		if events := messages[f.topic]; len(events) > 0 {
			if _, err := s.deliver(ctx, f.paths[0], events[len(events)-1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// noneFell fails if a position is lower than before, or an event became a dead letter.
func (s *subject) noneFell(before, after []contract.Cursor) error {
	for _, b := range before {
		a, found := positionIn(after, roster.Log{App: b.Source, Name: b.Partition})
		switch {
		case !found || a.Position < b.Position:
			return fmt.Errorf("the position in the log %s of %s fell from %d to %d", b.Partition, b.Source, b.Position,
				a.Position)
		case a.Parked > b.Parked:
			return fmt.Errorf("%d events of the log %s of %s became dead letters", a.Parked-b.Parked, b.Partition, b.Source)
		}
	}
	return nil
}

func tryKill(ctx context.Context, s *subject) error {
	return s.tryRestart(ctx, func() error { return s.shop.Kill(s.id) })
}

func tryEnd(ctx context.Context, s *subject) error {
	return s.tryRestart(ctx, func() error {
		if err := s.shop.Terminate(s.id); err != nil {
			return err
		}
		p, _ := s.shop.Process(s.id)
		if strings.Contains(p.Exit, "killed") {
			return errors.New("the process still ran ten seconds after SIGTERM, and was killed")
		}
		return nil
	})
}

// tryRestart ends the process of the app while customers buy, and starts it again.
func (s *subject) tryRestart(ctx context.Context, end func() error) error {
	before, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	bought := make(chan error, 1)
	buying, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { bought <- s.buyUntil(buying) }()
	if s.follow(roster.OrdersLog.Topic) || s.follow(roster.UsersLog.Topic) {
		now := s.gate.answered(success)
		err := s.eventually(ctx, func() error {
			if s.gate.answered(success) == now {
				return errors.New("the app has accepted no message")
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := end(); err != nil {
		return err
	}
	if err := s.shop.Restart(s.id); err != nil {
		return err
	}
	ready, stop := context.WithTimeout(ctx, s.patience)
	defer stop()
	if err := s.shop.Ready(ready); err != nil {
		return fmt.Errorf("the app was not ready again: %w", err)
	}
	cancel()
	if err := <-bought; err != nil {
		return err
	}
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	after, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	return s.noneFell(before, after)
}

// buyUntil buys one thing after another. A purchase may fail, because it may need the app that has ended.
func (s *subject) buyUntil(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := s.buy(ctx); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}
