package commitlog

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/internal/commitlog/internal/layout"
	"haberdash/internal/sidecar"
)

// publishDelay is how long the publisher lets commits collect: one call publishes many events, and the request that
// made the commit is answered first.
const publishDelay = 20 * time.Millisecond

// publisherName is the follower name under which the publisher of a topic stores its cursor.
func publisherName(topic string) string { return "publisher-" + topic }

// Publish publishes each event that is not Internal to topic, after its commit, in order, at least once. It begins
// after the stored cursor and returns when ctx ends or the partition closes. While the broker or the store is
// unavailable, it tries again.
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
	for pause := time.Duration(0); at.commit < p.Head(); {
		if !p.wait(ctx, publishDelay) {
			return false
		}
		n, err := p.publishBatch(ctx, to, topic, at.commit+1)
		if err != nil {
			pause = nextPause(pause)
			if !p.logAndWait(ctx, err, "publishing failed, will try again", pause) {
				return false
			}
			continue
		}
		pause, at.commit = 0, n
		at.saveIfDue(ctx)
	}
	return true
}

// publishBatch publishes the events of some commits from number from on, and returns the last commit that is published.
func (p *Partition[S]) publishBatch(ctx context.Context, to sidecar.Publisher, topic string, from uint64) (
	uint64, error) {
	commits, err := p.readUpToHead(ctx, from, layout.ReadAhead)
	if err != nil || len(commits) == 0 {
		return from - 1, err
	}
	var messages []sidecar.Message
	for _, c := range commits {
		for _, e := range c.Published(p.service, p.name) {
			data, err := json.Marshal(e)
			if err != nil {
				return from - 1, err
			}
			messages = append(messages, sidecar.Message{ID: e.ID, Key: p.name, Data: data})
		}
	}
	if len(messages) > 0 {
		if err := to.Publish(ctx, topic, messages); err != nil {
			return from - 1, err
		}
	}
	return commits[len(commits)-1].N, nil
}
