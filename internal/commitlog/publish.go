package commitlog

import (
	"context"
	"encoding/json"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// publishDelay is how long the publisher lets commits collect: one call publishes many events, and the request that
// made the commit is answered first.
const publishDelay = 20 * time.Millisecond

// publisherName is the follower name under which the publisher of a topic stores its cursor.
func publisherName(topic string) string { return "publisher-" + topic }

// Publish publishes each event that is not Internal to topic, after its commit, in order, at least once. It begins
// after the stored cursor and returns when ctx ends or the partition closes. While the broker or the store is
// unavailable, it tries again. An event that the broker refuses while it takes others, because it is too large for
// example, is left out and counted: see Unpublished.
//
// The broker's key is the partition, not the aggregate. A consumer's cursor counts the events of a partition, so they
// must arrive in their order. With aggregates as keys, a broker would spread one log over its own partitions, and every
// consumer would constantly find gaps. A service scales with the number of its logs.
func (p *Partition[S]) Publish(ctx context.Context, to sidecar.Publisher, topic string) {
	at, ok := p.openCursor(ctx, publisherName(topic))
	if !ok {
		return
	}
	defer at.save(ctx)
	for {
		changed := p.Changed()
		if !p.publishUpToHead(ctx, to, topic, at) {
			return
		}
		if at.behind() {
			select {
			case <-changed:
				continue
			case <-time.After(cursorInterval):
			case <-ctx.Done():
			case <-p.quit:
			}
			at.save(ctx)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-p.quit:
			return
		}
	}
}

// publishUpToHead returns false if ctx ended or the partition closed.
func (p *Partition[S]) publishUpToHead(ctx context.Context, to sidecar.Publisher, topic string, at *cursor) bool {
	attempts := 0
	for pause := time.Duration(0); at.commit < p.Head(); {
		if !p.wait(ctx, publishDelay) {
			return false
		}
		publish := to.Publish
		if attempts >= attemptsTogether {
			publish = func(ctx context.Context, topic string, messages []sidecar.Message) error {
				return p.publishEach(ctx, to, topic, messages)
			}
		}
		n, err := p.publishBatch(ctx, publish, topic, at.commit+1)
		if err != nil {
			attempts, pause = attempts+1, nextPause(pause)
			if !p.logAndWait(ctx, err, "publishing failed, will try again", pause) {
				return false
			}
			continue
		}
		attempts, pause, at.commit = 0, 0, n
		at.saveIfDue(ctx)
	}
	p.setPublishedAtHead(at.commit)
	return true
}

// attemptsTogether is how often events are published together before each is published by itself.
const attemptsTogether = 3

// publishEach publishes events one by one, to find those that the broker refuses. It leaves an event out if the broker
// refuses it twice and takes another one: consumers notice the gap in the positions and read the event from the feed.
// If the broker takes none, it is unavailable, and publishEach returns its error.
func (p *Partition[S]) publishEach(ctx context.Context, to sidecar.Publisher, topic string,
	messages []sidecar.Message) error {
	var refused []sidecar.Message
	var refusal error
	for _, m := range messages {
		if err := to.Publish(ctx, topic, []sidecar.Message{m}); err != nil {
			refused, refusal = append(refused, m), err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(refused) == len(messages) {
		return refusal
	}
	for _, m := range refused {
		err := to.Publish(ctx, topic, []sidecar.Message{m})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.unpublished.Add(1)
			telemetry.Log(ctx).Error().Str(field.Error, shortened(err)).Str(field.Log, p.name).Str(field.EventID, m.ID).
				Int(field.EventBytes, len(m.Data)).Msg("the broker refuses an event, which consumers read from the feed")
		}
	}
	return nil
}

// Unpublished is how many events this process has left out because the broker refuses them. They are in the feed.
func (p *Partition[S]) Unpublished() uint64 { return p.unpublished.Load() }

// publishBatch publishes the events of some commits from number from on, and returns the last commit that is published.
func (p *Partition[S]) publishBatch(ctx context.Context,
	publish func(context.Context, string, []sidecar.Message) error, topic string, from uint64) (uint64, error) {
	commits, err := p.readUpToHead(ctx, from, layout.ReadAhead)
	if err != nil || len(commits) == 0 {
		return from - 1, err
	}
	p.metrics.setPublished(commits[0].Before)
	var messages []sidecar.Message
	for _, c := range commits {
		for _, e := range c.Published(p.service, p.name) {
			data, err := json.Marshal(e)
			if err != nil {
				return from - 1, err
			}
			messages = append(messages, sidecar.Message{
				ID: e.ID, Key: p.name, Data: data, TraceParent: c.Events[e.Index].Trace,
				Source: e.Source, Type: e.Type, Subject: e.Aggregate, Time: e.At,
				Schema: contract.SchemaOf(e.Type, e.Version), Version: e.Version,
			})
		}
	}
	if len(messages) > 0 {
		send, span := telemetry.StartBatch(ctx, "publish "+topic, trace.SpanKindProducer, tracesOf(messages)...)
		err := publish(send, topic, messages)
		telemetry.End(span, err)
		if err != nil {
			return from - 1, err
		}
	}
	return commits[len(commits)-1].N, nil
}

// tracesOf lists the traces of messages, as far as they are recorded.
func tracesOf(messages []sidecar.Message) (parents []string) {
	for _, m := range messages {
		if m.TraceParent != "" {
			parents = append(parents, m.TraceParent)
		}
	}
	return parents
}
