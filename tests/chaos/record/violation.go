package record

import "fmt"

// Violation is a broken invariant.
type Violation struct {
	Invariant int    // index of invariants
	Order     string // id, if the violation concerns one order
	Text      string
}

// invariants are the names of the invariants. The package comment of checker explains them.
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

// String describes the violation as a line of a log.
func (v Violation) String() string {
	s := fmt.Sprintf("invariant %d (%s)", v.Invariant, invariants[v.Invariant])
	if v.Order != "" {
		s += ": order " + v.Order
	}
	return s + ": " + v.Text
}
