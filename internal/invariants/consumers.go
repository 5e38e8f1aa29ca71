package invariants

import "haberdash/internal/contract"

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
