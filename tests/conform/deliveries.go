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
	"haberdash/tests/api"
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
	any := false
	for _, f := range s.topics() {
		path, events := f.paths[0], messages[f.topic]
		if !s.gate.takesBulk(path) || len(events) < 2 {
			continue
		}
		any = true
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
	if !any {
		return notTried("the broker delivers single messages to the app")
	}
	return nil
}

// poisons returns messages that are no events, by what is wrong with them.
func poisons(topic string) map[string]map[string]any {
	list := map[string]map[string]any{}
	for name, data := range map[string]any{
		"a text": "not an event", "null": nil, "a list": []any{1, 2}, "a number": 17, "an empty object": map[string]any{},
		"another object":  map[string]any{"not": "an event"},
		"a wrong type":    map[string]any{"id": 7, "type": []any{}, "source": topic, "partition": topic, "position": 1},
		"a text position": map[string]any{"id": "x", "type": "x", "source": topic, "partition": topic, "position": "one"},
		"a huge name": map[string]any{
			"id": "x", "type": "x", "source": strings.Repeat("x", 5000), "partition": "x", "position": 1,
		},
	} {
		list[name] = map[string]any{
			"specversion": "1.0", "id": "conform/" + api.NewKey(), "source": topic,
			"type": "com.dapr.event.sent", "datacontenttype": "application/json", "topic": topic, "pubsubname": "pubsub",
			"data": data,
		}
	}
	return list
}

func tryPoison(ctx context.Context, s *subject) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	for _, f := range s.topics() {
		for what, event := range poisons(f.topic) {
			before, err := s.lettersKept(ctx)
			if err != nil {
				return err
			}
			status, err := s.deliver(ctx, f.paths[0], event)
			if err == nil {
				err = s.notLost(ctx, status, before)
			}
			if err != nil {
				return fmt.Errorf("a message whose data are %s: %w", what, err)
			}
		}
	}
	for what, event := range poisons(s.deadTopic()) {
		if err := s.expect(ctx, s.deadPath(), event, success); err != nil {
			return fmt.Errorf("a message in the dead-letter topic whose data are %s: %w", what, err)
		}
	}
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	if err := tryChecks(ctx, s); err != nil {
		return err
	}
	_, err := s.quiet(ctx)
	return err
}

// deadPath is the path to which the sidecar posts the messages of the dead-letter topic.
func (s *subject) deadPath() string {
	for _, f := range s.follows {
		if f.topic == s.deadTopic() {
			return f.paths[0]
		}
	}
	return "/events/" + s.deadTopic()
}

// lettersKept is the number of dead letters of an app that keeps them.
func (s *subject) lettersKept(ctx context.Context) (int, error) {
	if !s.keeps(appfile.PartDeadLetters) {
		return 0, nil
	}
	list, err := s.deadLetters(ctx)
	return len(list), err
}

// notLost fails if a message that is no event is lost: the app has accepted it, and it is not among its dead letters.
func (s *subject) notLost(ctx context.Context, status string, before int) error {
	if status != success || !s.keeps(appfile.PartDeadLetters) {
		return nil
	}
	after, err := s.lettersKept(ctx)
	if err == nil && after <= before {
		err = errors.New("it got the status SUCCESS and is not among the dead letters: it is lost")
	}
	return err
}

// tryEdited buys something while the gate changes each message, and expects that the app handles all of them.
func (s *subject) tryEdited(ctx context.Context, edit func(message map[string]any)) error {
	if len(s.topics()) == 0 {
		return notTried("the app follows no topic of the shop")
	}
	parked, err := s.parked(ctx)
	if err != nil {
		return err
	}
	handled, refused := s.gate.answered(success), s.gate.refused()
	s.gate.rewrite(edit)
	defer s.gate.rewrite(nil)
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	err = s.eventually(ctx, func() error {
		if s.gate.answered(success) == handled && s.gate.refused() == refused {
			return errors.New("the app has answered none of the messages")
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.quiet(ctx)
	if now := s.gate.refused(); now > refused {
		return fmt.Errorf("the app has refused %d messages", now-refused)
	}
	if err != nil {
		return err
	}
	after, err := s.parked(ctx)
	if err == nil && after > parked {
		err = fmt.Errorf("%d of the events became dead letters", after-parked)
	}
	return err
}

// parked is how many events of logs became dead letters so far.
func (s *subject) parked(ctx context.Context) (n uint64, err error) {
	if !s.keeps(appfile.PartConsumers) {
		return 0, nil
	}
	list, err := s.positions(ctx)
	for _, c := range list {
		n += c.Parked
	}
	return n, err
}

func tryAdditions(ctx context.Context, s *subject) error {
	added := map[string]any{"one": []any{1, "two", nil}}
	return s.tryEdited(ctx, func(m map[string]any) {
		m["conformaddition"] = "new"
		envelope, _ := m["data"].(map[string]any)
		if envelope == nil {
			return
		}
		envelope["conformAddition"] = added
		if fact, ok := envelope["data"].(map[string]any); ok {
			fact["conformAddition"] = added
			lines, _ := fact["lines"].([]any)
			for _, line := range lines {
				if line, ok := line.(map[string]any); ok {
					line["conformAddition"] = added
				}
			}
		}
		if envelope["type"] == "order.placed" { // which only reports: order.confirmed follows
			envelope["type"], m["type"] = "order.unheard-of", "order.unheard-of"
			delete(envelope, "data")
			envelope["data"] = added
		}
	})
}

func tryEarlier(ctx context.Context, s *subject) error {
	return s.tryEdited(ctx, func(m map[string]any) {
		for _, name := range []string{"subject", "time", "dataschema", "dataversion"} {
			delete(m, name)
		}
		m["type"] = "com.dapr.event.sent"
		if envelope, ok := m["data"].(map[string]any); ok {
			delete(envelope, "version")
		}
	})
}

func tryMails(ctx context.Context, s *subject) error {
	s.gate.set(drop)
	lost, err := s.buy(ctx)
	if err != nil {
		return err
	}
	s.gate.set(hold)
	late, err := s.buy(ctx)
	s.gate.release()
	if err != nil {
		return err
	}
	if err := s.repeat(ctx); err != nil {
		return err
	}
	if _, err := s.caughtUp(ctx); err != nil {
		return err
	}
	for _, p := range []purchase{lost, late} {
		err := s.eventually(ctx, func() error {
			n, err := s.mailsAbout(p.order.Number)
			if err == nil && n != 1 {
				err = fmt.Errorf("%d mails are about the order %s", n, p.order.Number)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
