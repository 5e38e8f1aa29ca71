package contract

// MaxFeedPage is how many events one page of a feed may have.
const MaxFeedPage = 1000

// Feeds lists the logs that an app serves: GET /feed.
type Feeds struct {
	Names []string `json:"names" nullable:"false"`
}

// FeedPage is a page of a log's published events: GET /feed/{partition}?from=&max= of the source.
type FeedPage struct {
	Events []Event `json:"events" nullable:"false"`
	Next   uint64  `json:"next"` // position at which the next page begins
	Head   uint64  `json:"head"` // position of the last published event
}

// Cursors lists an app's positions in the logs of other apps: GET /internal/consumers.
type Cursors struct {
	Cursors []Cursor `json:"cursors" nullable:"false"`
}

// Cursor is an app's position in one log. Each event up to the position was applied or became a dead letter.
type Cursor struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
	Position  uint64 `json:"position"`
	Applied   uint64 `json:"applied"` // events that were handled, or ignored for their type, each counted once
	Parked    uint64 `json:"parked"`  // events that became dead letters so far, also those replayed or discarded since
	Head      uint64 `json:"head"`    // of the log, when it was polled last; 0 if it was not
}

// Audits compares the stored documents of a service with its logs: POST /internal/audit.
type Audits struct {
	Audits []Audit `json:"audits" nullable:"false"`
}

// Audit compares the snapshots of one log, or the documents of one projection, with documents that are computed from
// the log.
type Audit struct {
	Log        string `json:"log"`
	Projection string `json:"projection,omitempty"`
	Commit     uint64 `json:"commit"`    // the last commit that was read
	Events     uint64 `json:"events"`    // up to that commit, index events included
	Documents  uint64 `json:"documents"` // computed from the log
	Digest     string `json:"digest"`    // of these documents, hexadecimal; equal logs have equal digests
	Wrong      uint64 `json:"wrong"`     // documents that differ

	Differences []Difference `json:"differences" nullable:"false"` // the first hundred
}

// Difference is a document that differs from the one computed from the log. Kind is missing, behind, ahead, different
// or unreadable for a stored document, and memory for one in the memory of a process.
type Difference struct {
	Key  string `json:"key"`
	Kind string `json:"kind"`
}
