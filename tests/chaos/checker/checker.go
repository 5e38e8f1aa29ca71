// Package checker compares the parts of a snapshot with each other and with the recorded answers, and reports where an
// invariant of the shop is broken. Package invariants lists the invariants and has the checks that a running shop
// allows, too; apps/watcher uses them. This package adds those that need the recorded answers, the ledger of the
// payment provider, mails, carts or the public API. It counts an answer that the API does not allow as a violation of
// invariant 0.
package checker

import (
	"fmt"
	"strings"

	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/snapshot"
)

// check is the check of one invariant.
type check struct {
	*snapshot.Snapshot
	record    *record.Record
	invariant int
	found     []record.Violation
}

// Check returns the violations of all invariants but that of ownership, of which it checks only the lists of orders. No
// buyer may send requests at the same time.
func Check(s *snapshot.Snapshot, r *record.Record) (found []record.Violation) {
	for _, c := range []struct {
		invariant int
		run       func(*check)
	}{
		{1, (*check).checkStockLevels},
		{1, (*check).checkReservations},
		{2, (*check).checkPayments},
		{2, (*check).checkRefusedPayments},
		{3, (*check).checkKeys},
		{4, (*check).checkConsumers},
		{4, (*check).checkFeeds},
		{4, (*check).checkMails},
		{4, (*check).checkCarts},
		{5, (*check).checkAudits},
		{6, (*check).checkAcknowledged},
		{6, (*check).checkAdjustments},
		{7, (*check).checkLists},
		{8, (*check).checkSums},
		{0, (*check).checkWatched}, // of all invariants
	} {
		one := &check{Snapshot: s, record: r, invariant: c.invariant}
		c.run(one)
		found = append(found, one.found...)
	}
	return append(found, r.Violations...)
}

// violated reports a violation. order is the id of the order that it concerns, and may be empty.
func (c *check) violated(order, format string, args ...any) {
	v := record.Violation{Invariant: c.invariant, Order: order, Text: fmt.Sprintf(format, args...)}
	c.found = append(c.found, v)
}

// Report describes up to 25 violations, with the history of the first three orders that they concern.
func Report(s *snapshot.Snapshot, found []record.Violation) string {
	const limit = 25
	var text strings.Builder
	described := map[string]bool{}
	for i, v := range found {
		if i == limit {
			fmt.Fprintf(&text, "… and %d more\n", len(found)-limit)
			break
		}
		fmt.Fprintln(&text, v)
		if v.Order == "" || described[v.Order] || s == nil || len(described) == 3 {
			continue
		}
		described[v.Order] = true
		text.WriteString(s.Describe(v.Order))
	}
	return text.String()
}
