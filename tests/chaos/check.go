package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// Violation is a promise that was not kept. Invariant is its number in section 6 of the design; 0 is the API's own
// promise of how it answers.
type Violation struct {
	Invariant int
	Order     string // id, if it is about one
	Text      string
}

// invariants in a few words.
var invariants = []string{
	0: "answers",
	1: "stock",
	2: "money",
	3: "one key, one order",
	4: "every event once",
	5: "projections rebuild",
	6: "acknowledged writes",
	7: "ownership",
	8: "sums",
}

// String is the violation as a line.
func (v Violation) String() string {
	s := fmt.Sprintf("invariant %d (%s)", v.Invariant, invariants[v.Invariant])
	if v.Order != "" {
		s += ": order " + v.Order
	}
	return s + ": " + v.Text
}

// check is one look at the books for one invariant.
type check struct {
	invariant int
	*Books
	witness *Witness
	found   []Violation
}

// Check holds the books against each other and against what the witness was told. Nobody may be buying meanwhile.
func Check(b *Books, w *Witness) (found []Violation) {
	for _, c := range []struct {
		invariant int
		look      func(*check)
	}{
		{1, (*check).stock}, {1, (*check).reservations}, {2, (*check).money}, {2, (*check).refusedMoney}, {3, (*check).keys},
		{4, (*check).consumers}, {4, (*check).feeds},
		{4, (*check).mails}, {4, (*check).carts}, {5, (*check).audits}, {6, (*check).acknowledged}, {6, (*check).movements}, {7, (*check).listings},
		{8, (*check).sums},
	} {
		one := &check{invariant: c.invariant, Books: b, witness: w}
		c.look(one)
		found = append(found, one.found...)
	}
	w.note(func() { found = append(found, w.surprises...) })
	return found
}

func (c *check) broken(order, format string, args ...any) {
	c.found = append(c.found, Violation{c.invariant, order, fmt.Sprintf(format, args...)})
}

// Report words violations, the first of each kind with the history of its order.
func Report(b *Books, found []Violation) string {
	const most = 25
	var text strings.Builder
	told := map[string]bool{}
	for i, v := range found {
		if i == most {
			fmt.Fprintf(&text, "… and %d more\n", len(found)-most)
			break
		}
		fmt.Fprintln(&text, v)
		if v.Order == "" || told[v.Order] || b == nil || len(told) == 3 {
			continue
		}
		told[v.Order] = true
		text.WriteString(b.history(v.Order))
	}
	return text.String()
}

// history tells an order's life, as the shop and as the provider have it.
func (b *Books) history(id string) string {
	o, known := b.Orders[id]
	if !known {
		return "    the shop does not know it\n"
	}
	lines := []string{fmt.Sprintf("%s %s, %s, total %d, payment %+v", o.Number, o.Email, o.Status, o.Total.Amount, o.Payment)}
	for _, e := range o.Events {
		lines = append(lines, fmt.Sprintf("%3d %s %s %s %s", e.Seq, e.At.Format("15:04:05.000"), e.Type, e.Data.ID, e.Data.For))
	}
	for _, i := range b.Ledger.Intents {
		if i.Order == id {
			lines = append(lines, fmt.Sprintf("provider: %s %s reserved %d captured %d refunded %d", i.ID, i.Status, i.Reserved, i.Captured, i.Refunded))
			for _, m := range i.Movements {
				lines = append(lines, fmt.Sprintf("    %s %s %d", m.At.Format("15:04:05.000"), m.Kind, m.Amount))
			}
		}
	}
	return "    " + strings.Join(lines, "\n    ") + "\n"
}

// Pending lists what is still under way, so that a checker knows when to look.
func (b *Books) Pending() (list []string) {
	for id, o := range b.Orders {
		add := func(what string) { list = append(list, "order "+id+" ("+o.Number+"): "+what) }
		if o.Status == "placing" {
			add("is placing")
		}
		for _, f := range o.Fulfilments {
			if f.Status == "pending" {
				add("fulfilment " + f.ID + " is pending")
			}
		}
		for _, r := range o.Returns {
			if r.Status == "received" && r.Refunded == nil {
				add("return " + r.ID + " is not refunded")
			}
		}
		if o.Status == "cancelled" && !o.happened("payment.voided") {
			add("is cancelled, its money and stock are not free")
		}
		for _, e := range o.Events {
			if e.Type == "refund.requested" && !slices.ContainsFunc(o.Events, func(done Event) bool {
				return (done.Type == "refund.settled" || done.Type == "refund.failed") && done.Data.ID == e.Data.Refund.ID
			}) {
				add("refund " + e.Data.Refund.ID + " is pending")
			}
		}
	}
	if b.moved {
		list = append(list, "a log has grown while the books were read")
	}
	list = append(list, b.behind()...)
	slices.Sort(list)
	return list
}
