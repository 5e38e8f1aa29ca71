package commitlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"haberdash/internal/fault"
)

// Errors of this package; compare with errors.Is.
var (
	// ErrUnknown: the store did not say whether the command was committed. Repeat it.
	ErrUnknown error = fault.New(fault.Unavailable, "unavailable", "The shop's store does not answer just now. Repeat the request.").After(time.Second)
	// ErrTooLarge: the events of one command do not fit into a commit.
	ErrTooLarge = errors.New("commitlog: command too large for a commit")
	// ErrClosed: the partition was closed before the command was decided.
	ErrClosed = errors.New("commitlog: closed")
	// ErrCorrupt: a stored value cannot be read. Nothing is guessed; a person must look.
	ErrCorrupt = errors.New("commitlog: corrupt")
)

// Event is a fact about one aggregate. Types are explicit strings: renaming a Go type never breaks
// history.
type Event struct {
	Aggregate string          `json:"a"`
	Seq       uint64          `json:"s"` // within the aggregate: 1, 2, 3 …
	Type      string          `json:"t"`
	At        time.Time       `json:"at"`
	Data      json.RawMessage `json:"d,omitempty"`
	Prev      uint64          `json:"p,omitempty"` // commit of the aggregate's previous event, 0 for none
	Internal  bool            `json:"i,omitempty"` // an index event: not published
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
	Events []Event `json:"e"`
}

// record of an aggregate's document.
type document struct {
	Commit uint64          `json:"n"` // the last commit with an event of the aggregate that is included
	Seq    uint64          `json:"s"`
	State  json.RawMessage `json:"v"`
}

type checkpoint struct {
	Commit uint64 `json:"n"` // every document includes the log up to here
}

func logKey(partition string, n uint64) string { return fmt.Sprintf("log/%s/%d", partition, n) }

// docKey escapes the id: a store takes printable ASCII without "||", an SKU may be any text.
func docKey(partition, id string) string { return "doc/" + partition + "/" + url.PathEscape(id) }

func checkpointKey(partition string) string       { return "checkpoint/" + partition }
func cursorKey(partition, consumer string) string { return "cursor/" + partition + "/" + consumer }

func decodeCommit(key string, n uint64, value []byte) (Commit, error) {
	c := Commit{N: n}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("%w: %s: %w", ErrCorrupt, key, err)
	}
	return c, nil
}
