package commitlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Errors of this package; compare with errors.Is.
var (
	// ErrUnknown means that the store did not say whether the command was committed. The caller repeats it.
	ErrUnknown = sidecar.StoreUnavailable(nil)
	// ErrTooLarge means that the events of one command do not fit into a commit.
	ErrTooLarge error = fault.New(fault.TooLarge, "too-large", "The change is too large to be recorded at once.")
	// ErrClosed means that the partition was closed before the command was decided.
	ErrClosed = errors.New("commitlog: closed")
	// ErrNewer means that the log has events that only a later release of this service understands.
	ErrNewer error = fault.New(fault.Unavailable, "unavailable",
		"A newer version of the service is taking over. Repeat the request.").After(time.Second)
	// ErrCorrupt means that a commit or a document cannot be decoded. Nothing replaces it: a person must look at it.
	ErrCorrupt = sidecar.ErrCorrupt
)

// Event is a fact about one aggregate. Types are explicit strings, so that renaming a Go type does not break stored
// events.
type Event struct {
	Aggregate string          `json:"a"`
	Seq       uint64          `json:"s"` // within the aggregate: 1, 2, 3 …
	Type      string          `json:"t"`
	Version   int             `json:"v,omitempty"` // of the shape of Data; 0 is the first, see Model.Upcasters
	At        time.Time       `json:"at"`
	Data      json.RawMessage `json:"d,omitempty"`
	Prev      uint64          `json:"p,omitempty"` // the commit of the aggregate's previous event, 0 if there is none
	Internal  bool            `json:"i,omitempty"` // not published: see Tx.EmitInternal
	// Trace is the traceparent of the command that emitted the event, if its trace was recorded. Whoever handles the
	// event continues the trace.
	Trace string `json:"tp,omitempty"`
	// Baggage is that of the command (W3C Baggage), which goes on with the event.
	Baggage string `json:"bg,omitempty"`

	commit uint64 // the event's commit, of events that History returns
}

// Decode decodes the event's data into v. Error: ErrCorrupt.
func (e Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("%w: data of %s %d of %s: %w", ErrCorrupt, e.Type, e.Seq, e.Aggregate, err)
	}
	return nil
}

// Commit is one entry of the log.
type Commit struct {
	N       uint64  `json:"-"` // from the key
	Attempt string  `json:"w"` // id of the attempt to commit: a random id of the writer, and a number
	Before  uint64  `json:"b"` // how many events before this commit are published
	Events  []Event `json:"e"`

	// Own is true for subscribers if this process has written the commit. Each commit is the own one of at most one
	// process, so processes that count only own commits count each once. A later start does not recognise them.
	Own bool `json:"-"`
}

// Published returns the commit's events that are not Internal, as other services see them. Their positions follow from
// Before, so every process computes the same ones, whatever it has read of the log.
func (c Commit) Published(service, partition string) []contract.Event {
	var published []contract.Event
	for i, e := range c.Events {
		if e.Internal {
			continue
		}
		published = append(published, contract.Event{
			ID: contract.EventID(service, partition, c.N, i), Type: e.Type, Source: service, Partition: partition,
			Commit: c.N, Index: i, Position: c.Before + uint64(len(published)) + 1,
			Aggregate: e.Aggregate, Seq: e.Seq, At: e.At, Version: max(e.Version, 1), Data: e.Data, Baggage: e.Baggage,
		})
	}
	return published
}

// publishedUpTo is the number of events that the log has published up to and including the commit.
func (c Commit) publishedUpTo() uint64 {
	n := c.Before
	for _, e := range c.Events {
		if !e.Internal {
			n++
		}
	}
	return n
}

// decodeCommit decodes commit n of a log and converts its events to the latest versions of their shapes.
func decodeCommit(key string, n uint64, value []byte, up Upcasters) (Commit, error) {
	c := Commit{N: n}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
	}
	for i := range c.Events {
		if err := up.convert(&c.Events[i]); err != nil {
			return c, fmt.Errorf("%s: %w", key, err)
		}
	}
	return c, nil
}
