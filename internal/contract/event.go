package contract

import (
	"encoding/json"
	"fmt"
	"time"
)

// Event is the envelope of every event on a topic and in a feed. Events of one aggregate have ascending sequence
// numbers. Events of one source and partition have the positions 1, 2, 3 … without a gap, so that a consumer notices
// missing ones. A source without a log leaves Partition, Commit and Position empty. Its events are identified by their
// ids only.
type Event struct {
	ID        string          `json:"id"`                // service/partition/commit/index
	Type      string          `json:"type"`              // such as "order.confirmed"
	Source    string          `json:"source"`            // the service
	Partition string          `json:"partition"`         // of the source's log
	Commit    uint64          `json:"commit"`            // from 1
	Index     int             `json:"index"`             // within the commit, from 0
	Position  uint64          `json:"position"`          // among the partition's published events, from 1
	Aggregate string          `json:"aggregate"`         // kind and id, such as "order/<id>" or "sku/<SKU>"
	Seq       uint64          `json:"seq"`               // within the aggregate, from 1
	At        time.Time       `json:"at"`                // UTC
	Version   int             `json:"version,omitempty"` // of the shape of Data, from 1; releases before left it out
	Data      json.RawMessage `json:"data"`
	// Baggage is that of the request that caused the event (W3C Baggage), such as "tenant=north". Most events have none.
	Baggage string `json:"baggage,omitempty"`
}

// EventID returns the id of an event at a place in a log.
func EventID(source, partition string, commit uint64, index int) string {
	return fmt.Sprintf("%s/%s/%d/%d", source, partition, commit, index)
}
