package contract

// MaxFeedPage is how many events one page of a feed may have.
const MaxFeedPage = 1000

// FeedPage is a part of a log's published events: GET /feed/{partition}?from=&max= of the source. Next is the
// position to go on from, Head that of the last event published.
type FeedPage struct {
	Events []Event `json:"events" nullable:"false"`
	Next   uint64  `json:"next"`
	Head   uint64  `json:"head"`
}

// Cursors tell how far an app has come in other apps' logs: GET /internal/consumers.
type Cursors struct {
	Cursors []Cursor `json:"cursors" nullable:"false"`
}

// Cursor is how far an app has come in one log. What was not applied up to the position was parked, among the
// app's dead letters.
type Cursor struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
	Position  uint64 `json:"position"`
	Applied   uint64 `json:"applied"` // events handled or passed over, each counted once
	Parked    uint64 `json:"parked"`  // events parked so far, whatever became of them since
	Head      uint64 `json:"head"`    // of the log, when it was asked last; 0 if it was not
}

// Audits compare what a service derives from its logs with the logs: POST /internal/audit.
type Audits struct {
	Audits []Audit `json:"audits" nullable:"false"`
}

// Audit compares one log's documents, or one projection's, with what the log makes of its events.
type Audit struct {
	Log         string       `json:"log"`
	Projection  string       `json:"projection,omitempty"`
	Commit      uint64       `json:"commit"`                       // up to which the log was folded
	Events      uint64       `json:"events"`                       // in it, index events included
	Documents   uint64       `json:"documents"`                    // that the log makes
	Digest      string       `json:"digest"`                       // of all of them, in hexadecimal: equal logs have equal digests
	Wrong       uint64       `json:"wrong"`                        // how many of them differ
	Differences []Difference `json:"differences" nullable:"false"` // the first hundred
}

// Difference is a document that is not as the log makes it: missing, behind, ahead, different, unreadable; or
// memory, where the one that a process works with is wrong.
type Difference struct {
	Key  string `json:"key"`
	Kind string `json:"kind"`
}
