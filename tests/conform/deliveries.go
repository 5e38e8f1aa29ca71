package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"haberdash/dapr/launch/appfile"
	"haberdash/internal/contract"
)

const success = "SUCCESS"

// lateEvents is how many of the last events of a log are delivered again.
const lateEvents = 50

// history returns the messages of the last events of the topics that the app follows, by topic.
func (s *subject) history(ctx context.Context) (messages map[string][]map[string]any, err error) {
	messages = map[string][]map[string]any{}
	logs, err := s.logs(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range logs {
		page, err := s.feed(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events[max(0, len(page.Events)-lateEvents):] {
			messages[l.Topic] = append(messages[l.Topic], cloudEvent(l.Topic, e))
		}
	}
	return messages, nil
}

func tryRepetitions(ctx context.Context, s *subject) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	before, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	if err := s.repeat(ctx); err != nil {
		return err
	}
	after, err := s.quiet(ctx)
	if err != nil {
		return err
	}
	for i := range after {
		if i < len(before) && after[i] != before[i] {
			return fmt.Errorf("the repetitions changed a position: before %+v, after %+v", before[i], after[i])
		}
	}
	return nil
}

// quiet waits until the app has handled all events. It returns the positions without the heads, which are not always
// fresh.
func (s *subject) quiet(ctx context.Context) (list []contract.Cursor, err error) {
	if !s.keeps(appfile.PartConsumers) {
		return nil, s.eventually(ctx, func() error { return s.idle(ctx) })
	}
	if list, err = s.caughtUp(ctx); err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Head = 0
	}
	slices.SortFunc(list, func(a, b contract.Cursor) int {
		return strings.Compare(a.Source+a.Partition, b.Source+b.Partition)
	})
	return list, nil
}

// idle fails while the broker delivers messages to the app.
func (s *subject) idle(ctx context.Context) error {
	before := s.gate.answered(success)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
	}
	if s.gate.answered(success) != before {
		return errors.New("the broker still delivers")
	}
	return nil
}

// repeat delivers the last events again: the last first, each twice at the same time.
func (s *subject) repeat(ctx context.Context) error {
	messages, err := s.history(ctx)
	if err != nil {
		return err
	}
	for _, f := range s.topics() {
		for _, event := range slices.Backward(messages[f.topic]) {
			var both sync.WaitGroup
			failed := make([]error, 2)
			for i := range failed {
				both.Go(func() { failed[i] = s.expect(ctx, f.paths[0], event, success) })
			}
			both.Wait()
			if err := errors.Join(failed...); err != nil {
				return err
			}
		}
	}
	return nil
}

// expect delivers a message and fails if the app gives it another status.
func (s *subject) expect(ctx context.Context, path string, event map[string]any, want string) error {
	status, err := s.deliver(ctx, path, event)
	if err == nil && status != want {
		err = fmt.Errorf("the event %s, posted to %s, got the status %q instead of %s", event["id"], path, status, want)
	}
	return err
}

func tryBulk(ctx context.Context, s *subject) error {
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	if _, err := s.quiet(ctx); err != nil {
		return err
	}
	messages, err := s.history(ctx)
	if err != nil {
		return err
	}
	bulks := 0
	for _, f := range s.topics() {
		path, events := f.paths[0], messages[f.topic]
		if !s.gate.takesBulk(path) || len(events) < 2 {
			continue
		}
		bulks++
		first, last := events[0], events[len(events)-1]
		before, err := s.lettersKept(ctx)
		if err != nil {
			return err
		}
		got, err := s.deliverBulk(ctx, path, first, poisons(f.topic)["a text"], last)
		if err != nil {
			return err
		}
		if got[0] != success || got[2] != success && got[1] == success {
			return fmt.Errorf("a bulk of an old event, a message that is none, and another old event got the statuses %v",
				got)
		}
		if err := s.notLost(ctx, got[1], before); err != nil {
			return err
		}
	}
	if bulks == 0 {
		return notTried("the broker delivers single messages to the app")
	}
	return nil
}
