package faultflag

import (
	"context"
	"errors"

	"haberdash/internal/sidecar"
)

// errPaused is the error of a publication while PausedPublisher is on.
var errPaused = errors.New("the publisher is paused (fault flag paused-publisher)")

// Publisher returns a publisher that has the fault PausedPublisher.
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
	return p.Publisher.Publish(ctx, topic, messages)
}
