package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"haberdash/internal/contract"
	"haberdash/tests/api"
)

// deliver sends a CloudEvent to a path of the app as its sidecar would, in a bulk if the broker does so, too. It
// returns the status that the app gives the message.
func (s *subject) deliver(ctx context.Context, path string, event map[string]any) (status string, err error) {
	if !s.gate.takesBulk(path) {
		list, err := s.send(ctx, path, []message{{event: event}}, event)
		return list[0], err
	}
	list, err := s.deliverBulk(ctx, path, event)
	return list[0], err
}

// deliverBulk sends CloudEvents to a path of the app in one request. It returns the status of each.
func (s *subject) deliverBulk(ctx context.Context, path string, events ...map[string]any) ([]string, error) {
	var messages []message
	var entries []map[string]any
	for i, e := range events {
		id := strconv.Itoa(i)
		messages = append(messages, message{id, e})
		entries = append(entries, map[string]any{
			"entryId": id, "event": e, "contentType": "application/cloudevents+json", "metadata": map[string]string{},
		})
	}
	return s.send(ctx, path, messages, map[string]any{
		"id": api.NewKey(), "entries": entries, "pubsubname": "pubsub", "topic": events[0]["topic"],
		"type": "com.dapr.event.sent.bulk", "metadata": map[string]string{},
	})
}

func (s *subject) send(ctx context.Context, path string, messages []message, body any) ([]string, error) {
	none := make([]string, len(messages))
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodPost, path, body)
	if err != nil {
		return none, fmt.Errorf("POST %s has no answer: %w", path, err)
	}
	if a.Status == http.StatusNotFound {
		return none, fmt.Errorf("POST %s was answered with 404, for which Dapr discards the message", path)
	}
	return statusesOf(messages, a.Status, a.Body), nil
}

// cloudEvent returns the message of an event, as the sidecar delivers it.
func cloudEvent(topic string, e contract.Event) map[string]any {
	event := map[string]any{
		"specversion": "1.0", "id": e.ID, "source": e.Source, "type": e.Type, "subject": e.Aggregate, "time": e.At,
		"datacontenttype": "application/json", "dataschema": contract.SchemaOf(e.Type, e.Version),
		"dataversion": strconv.Itoa(e.Version), "topic": topic, "pubsubname": "pubsub",
	}
	data, _ := json.Marshal(e) // its data is valid JSON
	event["data"] = json.RawMessage(data)
	return event
}
