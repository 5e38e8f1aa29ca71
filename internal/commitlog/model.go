package commitlog

import (
	"encoding/json"
	"fmt"
)

// Model makes the state of an aggregate from its events.
type Model[S any] struct {
	// Apply returns the state after the event. It is pure: it reads no clock, does no I/O, refuses nothing, and does
	// not change what s points to. The zero S is an aggregate without events. S must survive a round trip through
	// JSON.
	Apply func(id string, s S, e Event) (S, error)
	// Version of the shape of S, 1 if zero. Raise it when a release cannot use the documents of the release before:
	// it then makes its own documents from the log when it opens.
	Version int
	// Upcasters convert events of older shapes. Apply sees only the latest shapes.
	Upcasters Upcasters
}

// aggregate is one aggregate in memory. Its value is not changed once other goroutines can read it.
type aggregate[S any] struct {
	state  S
	seq    uint64 // of its last event
	commit uint64 // the last commit with an event of it
	dirty  bool   // its document does not include its last event yet
}

// next returns the aggregate after an event of commit n of a log. Error: ErrCorrupt.
func (m Model[S]) next(a aggregate[S], log string, n uint64, e Event) (aggregate[S], error) {
	if e.Seq != a.seq+1 {
		return a, fmt.Errorf("%w: commit %d of %s: event %d of %s follows %d", ErrCorrupt, n, log, e.Seq, e.Aggregate, a.seq)
	}
	state, err := m.Apply(e.Aggregate, a.state, e)
	if err != nil {
		return a, fmt.Errorf("%w: commit %d of %s: apply %s: %w", ErrCorrupt, n, log, e.Type, err)
	}
	return aggregate[S]{state: state, seq: e.Seq, commit: n, dirty: true}, nil
}

// Upcaster converts the data of an event from one version of its shape to the next. It is pure.
type Upcaster func(data json.RawMessage) (json.RawMessage, error)

// Upcasters convert the events of a log that have older shapes: for each type whose shape has changed, one upcaster for
// each change, oldest first. New events have the latest version, and stored events stay as they are. Each reader
// converts them, so no other code of a service, and no consumer, knows an older shape.
type Upcasters map[string][]Upcaster

// latest is the version in which events of a type are written, as Event.Version has it.
func (u Upcasters) latest(eventType string) int {
	if n := len(u[eventType]); n > 0 {
		return n + 1
	}
	return 0
}

// convert brings an event to the latest version of its shape. Errors: ErrNewer if the event has a later version than
// the upcasters know, and ErrCorrupt.
func (u Upcasters) convert(e *Event) error {
	upcasters, version := u[e.Type], max(e.Version, 1)
	if version > len(upcasters)+1 {
		return fmt.Errorf("%w: %s %d of %s has version %d", ErrNewer, e.Type, e.Seq, e.Aggregate, version)
	}
	for _, upcast := range upcasters[version-1:] {
		data, err := upcast(e.Data)
		if err != nil {
			return fmt.Errorf("%w: convert %s %d of %s from version %d: %w",
				ErrCorrupt, e.Type, e.Seq, e.Aggregate, version, err)
		}
		e.Data, version = data, version+1
	}
	e.Version = u.latest(e.Type)
	return nil
}
