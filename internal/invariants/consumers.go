package invariants

import (
	"time"

	"haberdash/internal/contract"
)

// CheckCursor checks a consumer's own count: it has applied each event up to its position once, or made it a dead
// letter. An app answers while it handles events, so a violation counts only if a second reading shows it too.
func CheckCursor(app string, c contract.Cursor) []Violation {
	f := &found{invariant: EveryEvent}
	if c.Partition == "" { // events of an app without a log have no positions
		return nil
	}
	if handled := c.Applied + c.Parked; handled != c.Position {
		f.add("%s has applied %+d events more than there are up to its position in %s", app,
			int64(handled-c.Position), c.Partition)
	}
	return f.list
}

// CheckReached checks that a consumer is not ahead of the head of the log, which was read after its cursor.
func CheckReached(app string, c contract.Cursor, head uint64) []Violation {
	f := &found{invariant: EveryEvent}
	if c.Position > head {
		f.add("%s is at position %d of %s, which ends at %d", app, c.Position, c.Partition, head)
	}
	return f.list
}

// Progress checks that consumers do not lose what they have reached. A process that was killed, or another replica that
// answers, may be behind for a moment: it is a violation after a grace.
type Progress struct {
	grace   time.Duration
	reached map[cursorKey]reached
}

type cursorKey struct {
	app string
	log Log
}

type reached struct {
	position uint64
	at       time.Time // when a cursor was there last, or further
}

// NewProgress makes a Progress with a grace.
func NewProgress(grace time.Duration) *Progress { return &Progress{grace, map[cursorKey]reached{}} }

// Check compares a cursor with the furthest position that the consumer had.
func (p *Progress) Check(app string, c contract.Cursor, now time.Time) []Violation {
	key := cursorKey{app, Log{c.Source, c.Partition}}
	last, known := p.reached[key]
	if !known || c.Position >= last.position {
		p.reached[key] = reached{c.Position, now}
		return nil
	}
	f := &found{invariant: EveryEvent}
	if now.Sub(last.at) > p.grace {
		f.add("%s is behind position %d of %s, which it had reached", app, last.position, c.Partition)
	}
	return f.list
}

// CheckAudit checks that all documents of an audit are what their log produces.
func CheckAudit(a contract.Audit) []Violation {
	f := &found{invariant: Projections}
	if a.Wrong != 0 && len(a.Differences) == 0 {
		f.add("%s %s: %d documents are wrong", a.Log, a.Projection, a.Wrong)
	}
	for _, d := range a.Differences {
		f.add("%s %s: %s is %s", a.Log, a.Projection, d.Key, d.Kind)
	}
	return f.list
}

// CheckRefused checks that an app has refused a stranger who asked for something. An app that cannot answer has given
// nothing away.
func CheckRefused(what string, status int) []Violation {
	f := &found{invariant: Ownership}
	if status < 400 {
		f.add("a stranger who asked for %s was answered with %d", what, status)
	}
	return f.list
}
