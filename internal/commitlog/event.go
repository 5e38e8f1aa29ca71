package commitlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Errors of this package; compare with errors.Is.
var (
	// ErrUnknown: the store did not say whether the command was committed. Repeat it.
	ErrUnknown error = fault.New(fault.Unavailable, "unavailable", "The shop's store does not answer just now. Repeat the request.").After(time.Second)
	// ErrTooLarge: the events of one command do not fit into a commit.
	ErrTooLarge = errors.New("commitlog: command too large for a commit")
	// ErrClosed: the partition was closed before the command was decided.
	ErrClosed = errors.New("commitlog: closed")
	// ErrNewer: the log has events that only a later version of this service understands. It has to make way.
	ErrNewer error = fault.New(fault.Unavailable, "unavailable", "A newer version of the service is taking over. Repeat the request.").After(time.Second)
	// ErrCorrupt means that a log or a document of it cannot be read. Nothing replaces it: a person must look at it.
	ErrCorrupt = sidecar.ErrCorrupt
)

// Event is a fact about one aggregate. Types are explicit strings: renaming a Go type never breaks
// history.
type Event struct {
	Aggregate string          `json:"a"`
	Seq       uint64          `json:"s"` // within the aggregate: 1, 2, 3 …
	Type      string          `json:"t"`
	Version   int             `json:"v,omitempty"` // of Data's shape; 0 is the first, see Model.Upcasters
	At        time.Time       `json:"at"`
	Data      json.RawMessage `json:"d,omitempty"`
	Prev      uint64          `json:"p,omitempty"` // commit of the aggregate's previous event, 0 for none
	Internal  bool            `json:"i,omitempty"` // an index event: not published

	commit uint64 // where it stands, of events that History gives
}

// Decode reads the event's data.
func (e Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("%w: data of %s %d of %s: %w", ErrCorrupt, e.Type, e.Seq, e.Aggregate, err)
	}
	return nil
}

// Commit is one entry of the log.
type Commit struct {
	N      uint64  `json:"-"` // from the key
	Writer string  `json:"w"` // unique to one attempt to commit: tells one's own put from another's
	Before uint64  `json:"b"` // how many events the log had published before: see Published
	Events []Event `json:"e"`
}

// Published gives the commit's events that are not Internal, as other services see them. Their positions
// follow from Before, so every reader computes the same ones, whatever it has read before.
func (c Commit) Published(service, partition string) []contract.Event {
	var published []contract.Event
	for i, e := range c.Events {
		if e.Internal {
			continue
		}
		published = append(published, contract.Event{
			ID: contract.EventID(service, partition, c.N, i), Type: e.Type, Source: service, Partition: partition,
			Commit: c.N, Index: i, Position: c.Before + uint64(len(published)) + 1,
			Aggregate: e.Aggregate, Seq: e.Seq, At: e.At, Data: e.Data,
		})
	}
	return published
}

// after is the number of events that the log has published up to and with the commit.
func (c Commit) after() uint64 {
	n := c.Before
	for _, e := range c.Events {
		if !e.Internal {
			n++
		}
	}
	return n
}

// record of an aggregate's document.
type document struct {
	Commit uint64          `json:"n"` // the last commit with an event of the aggregate that is included
	Seq    uint64          `json:"s"`
	State  json.RawMessage `json:"v"`
}

type checkpoint struct {
	Commit    uint64 `json:"n"` // every document includes the log up to here
	Published uint64 `json:"p"` // events published up to here: where the next commit's positions begin
}

func logKey(partition string, n uint64) string { return fmt.Sprintf("log/%s/%d", partition, n) }

// docKey escapes the id: a store takes printable ASCII without "||", an SKU may be any text.
func docKey(documents, id string) string { return "doc/" + documents + "/" + url.PathEscape(id) }

func checkpointKey(documents string) string       { return "checkpoint/" + documents }
func cursorKey(partition, consumer string) string { return "cursor/" + partition + "/" + consumer }

func decodeCommit(key string, n uint64, value []byte, up Upcasters) (Commit, error) {
	c := Commit{N: n}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
	}
	for i := range c.Events {
		if err := up.lift(&c.Events[i]); err != nil {
			return c, fmt.Errorf("%s: %w", key, err)
		}
	}
	return c, nil
}
