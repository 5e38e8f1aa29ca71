package faultflag

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"haberdash/internal/sidecar"
)

// errPaused is the error of a publication while PausedPublisher is on.
var errPaused = errors.New("the publisher is paused (fault flag paused-publisher)")

// Publisher returns a publisher that has the faults PausedPublisher and RefusedEvents.
func (f *Flags) Publisher(p sidecar.Publisher) sidecar.Publisher {
	if f == nil {
		return p
	}
	return faultyPublisher{p, f}
}

type faultyPublisher struct {
	sidecar.Publisher
	flags *Flags
}

// Publish implements sidecar.Publisher.
func (p faultyPublisher) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	if p.flags.value(ctx, PausedPublisher) != 0 {
		return errPaused
	}
	share := p.flags.value(ctx, RefusedEvents)
	for _, m := range messages {
		if among(m.ID, share) {
			return fmt.Errorf("the broker refuses the event %s (fault flag refused-events)", m.ID)
		}
	}
	return p.Publisher.Publish(ctx, topic, messages)
}

// among reports whether an id is among a share, in percent, of all ids. The answer is the same at each attempt.
func among(id string, percent int64) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int64(h.Sum32()%100) < percent
}
