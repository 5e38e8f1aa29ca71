// Package invariants checks the promises of the shop, from data that its services expose: the feeds of orders and of
// the stock, the histories of orders, the cursors of consumers, and audits. The invariants are:
//
//  1. At each location 0 ≤ reserved ≤ on hand, at every moment. For each order exactly what is bought and not shipped
//     is reserved, and each of its parcels and returns moved the stock once.
//  2. An order is authorised at most once, for its total. The captured amount is that of the shipped goods, each of
//     them once, and the refunded amount is that of returns and refunds. A closed order has no authorised money.
//  3. One idempotency key is one order: an order is placed once, order numbers ascend, and a version of a cart becomes
//     one confirmed order.
//  4. Every event of a log is there once and in sequence, and every consumer applies it once.
//  5. Documents are, byte for byte, what their logs produce.
//  6. Nothing is lost: a log does not end earlier than before, and has the same events.
//  7. Customers read and change only what is theirs.
//  8. All amounts of an order add up, in one currency.
//
// The package has no HTTP, no clock and no store. apps/watcher gives it what it reads of a running shop, and
// tests/chaos/checker what it reads of a shop after a run. Shop builds its state from the feeds; the functions Check…
// check one thing.
package invariants

import (
	"fmt"
	"slices"
	"strings"
)

// The invariants.
const (
	Stock = iota + 1
	Money
	OneOrder
	EveryEvent
	Projections
	NothingLost
	Ownership
	Sums
)

// All lists the invariants.
var All = []int{Stock, Money, OneOrder, EveryEvent, Projections, NothingLost, Ownership, Sums}

// names are the names of the invariants. The invariant 0 is only known to tests: an answer that the API does not allow.
var names = []string{"answers", "stock", "money", "one key, one order", "every event once", "projections rebuild",
	"nothing is lost", "ownership", "sums"}

// Violation is a broken invariant. Its text has ids and amounts, and no personal data.
type Violation struct {
	Invariant int    `json:"invariant"`       // one of All
	Order     string `json:"order,omitempty"` // id, if the violation concerns one order
	Text      string `json:"text"`
}

// String describes the violation as a line of a log.
func (v Violation) String() string {
	s := fmt.Sprintf("invariant %d (%s)", v.Invariant, names[v.Invariant])
	if v.Order != "" {
		s += ": order " + v.Order
	}
	return s + ": " + v.Text
}

// found collects the violations of one check.
type found struct {
	invariant int
	order     string
	list      []Violation
}

func (f *found) add(format string, args ...any) {
	f.list = append(f.list, Violation{f.invariant, f.order, fmt.Sprintf(format, args...)})
}

// sorted returns the violations sorted by text, because they come from maps.
func (f *found) sorted() []Violation {
	slices.SortFunc(f.list, func(a, b Violation) int { return strings.Compare(a.Text, b.Text) })
	return f.list
}
