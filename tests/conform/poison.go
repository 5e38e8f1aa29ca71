package main

import (
	"context"
	"fmt"
	"strings"

	"haberdash/tests/api"
)

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
