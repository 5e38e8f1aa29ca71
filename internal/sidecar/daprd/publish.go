package daprd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	dapr "github.com/dapr/go-sdk/client"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

var _ sidecar.Publisher = (*Client)(nil)

// maxMessages and maxBytes limit the messages of one call in number and size; a message that is larger is published
// alone. A sidecar accepts 4 MB, and a broker as little as 1 MB.
const (
	maxMessages = 100
	maxBytes    = 512 << 10
)

// Publish implements sidecar.Publisher with Dapr's bulk publishing.
func (c *Client) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	for len(messages) > 0 {
		n := batchSize(messages)
		if err := c.publishBatch(ctx, topic, messages[:n]); err != nil {
			return fmt.Errorf("publish %d messages to %s: %w", n, topic, err)
		}
		messages = messages[n:]
	}
	return nil
}

// batchSize returns how many of the messages, at least one, belong to the next call.
func batchSize(messages []sidecar.Message) (n int) {
	for size := 0; n < len(messages) && n < maxMessages; n++ {
		if size += len(messages[n].Data); n > 0 && size > maxBytes {
			break
		}
	}
	return n
}

func (c *Client) publishBatch(ctx context.Context, topic string, messages []sidecar.Message) error {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	events := make([]any, len(messages))
	for i, m := range messages {
		event, err := json.Marshal(newCloudEvent(m, cmp.Or(m.TraceParent, telemetry.TraceParent(ctx))))
		if err != nil {
			return fmt.Errorf("message %s: %w", m.ID, err)
		}
		events[i] = dapr.PublishEventsEvent{
			EntryID: strconv.Itoa(i), Data: event, ContentType: "application/cloudevents+json",
			Metadata: map[string]string{"partitionKey": m.Key},
		}
	}
	return c.dapr.PublishEvents(ctx, PubSub, topic, events).Error
}

var _ sidecar.Binder = (*Client)(nil)

// Bind implements sidecar.Binder.
func (c *Client) Bind(ctx context.Context, binding, operation string, data []byte, metadata map[string]string) error {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	request := &dapr.InvokeBindingRequest{Name: binding, Operation: operation, Data: data, Metadata: metadata}
	if _, err := c.dapr.InvokeBinding(ctx, request); err != nil {
		return fmt.Errorf("binding %s: %w", binding, err)
	}
	return nil
}

var _ sidecar.Secrets = (*Client)(nil)

// Secret implements sidecar.Secrets.
func (c *Client) Secret(ctx context.Context, name string) (string, error) {
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	values, err := c.dapr.GetSecret(ctx, SecretStore, cmp.Or(c.opts.SecretBundle, name), nil)
	if err != nil {
		return "", fmt.Errorf("secret %s: %w", name, err)
	}
	if value := values[name]; value != "" {
		return value, nil
	}
	return "", fmt.Errorf("secret %s: not in the secret store %s", name, SecretStore)
}
