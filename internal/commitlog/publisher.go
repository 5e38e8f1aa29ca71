package commitlog

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// cursor of a reader of the log: everything up to Commit is done.
type cursor struct {
	Commit uint64 `json:"n"`
}

// linger is how long the publisher lets commits gather before it publishes: one bulk publish serves many,
// and the request that made the commit has the processor first.
const linger = 20 * time.Millisecond

// cursorEvery bounds how often the publisher stores its cursor: a crash repeats what came after.
const cursorEvery = 200 * time.Millisecond

// publisher is the name that the cursor of a topic's publication is stored under.
func publisher(topic string) string { return "publisher-" + topic }

// Publish tails the log from the stored cursor and publishes each event that is not Internal to topic,
// after its commit, in order, at least once. It returns when ctx ends or the partition closes; outages are
// waited out.
//
// The broker's key is the log partition, not the aggregate: a consumer's cursor counts a log partition's
// events, so they must arrive in that order. By aggregate, a broker would spread one log over its
// partitions and interleave them, and gaps would be the rule. What scales is the number of logs.
func (p *Partition[S]) Publish(ctx context.Context, to sidecar.Publisher, topic string) {
	var at cursor
	key := cursorKey(p.name, publisher(topic))
	for wait := pause(0); ; wait = pause(wait) {
		_, err := sidecar.ReadJSON(ctx, p.store, key, &at)
		if err == nil {
			break
		}
		if !p.outage(ctx, err, "publisher cannot read its cursor", wait) {
			return
		}
	}
	stored, storedAt := at.Commit, time.Now()
	defer func() {
		if stored < at.Commit {
			p.storeCursor(ctx, key, at, stored)
		}
	}()
	wait := time.Duration(0)
	for {
		grown := p.Changed()
		for at.Commit < p.Head() {
			if !p.pausing(ctx, linger) {
				break
			}
			n, err := p.publishSome(ctx, to, topic, at.Commit+1)
			if err != nil {
				wait = pause(wait)
				if !p.outage(ctx, err, "publishing failed, will try again", wait) {
					return
				}
				continue
			}
			wait, at.Commit = 0, n
			if time.Since(storedAt) > cursorEvery {
				stored, storedAt = p.storeCursor(ctx, key, at, stored), time.Now()
			}
		}
		if stored < at.Commit {
			select {
			case <-grown:
				continue
			case <-time.After(cursorEvery):
			case <-ctx.Done():
			case <-p.quit:
			}
			stored, storedAt = p.storeCursor(ctx, key, at, stored), time.Now()
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return
		case <-p.quit:
			return
		}
	}
}

func (p *Partition[S]) publishSome(ctx context.Context, to sidecar.Publisher, topic string, from uint64) (uint64, error) {
	commits, err := p.tail(ctx, from, readAhead)
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

// Changed is closed when the partition grows next.
func (p *Partition[S]) Changed() <-chan struct{} {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.changed
}

// storeCursor gives the commit up to which the cursor is stored now. It outlives ctx: a clean end repeats
// nothing.
func (p *Partition[S]) storeCursor(ctx context.Context, key string, at cursor, stored uint64) uint64 {
	value, err := json.Marshal(at)
	if err == nil {
		err = p.store.Put(context.WithoutCancel(ctx), key, value, "")
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("partition", p.name).Msg("cannot store the publisher's cursor, events may repeat")
		return stored
	}
	return at.Commit
}

// outage logs and waits; false means that the work is to end.
func (p *Partition[S]) outage(ctx context.Context, err error, msg string, wait time.Duration) bool {
	telemetry.Log(ctx).Warn().Err(err).Str("partition", p.name).Msg(msg)
	return p.pausing(ctx, wait)
}

// pausing waits; false means that the work is to end.
func (p *Partition[S]) pausing(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
	case <-p.quit:
	}
	return false
}

func pause(before time.Duration) time.Duration {
	return min(max(2*before, 50*time.Millisecond), 2*time.Second)
}
