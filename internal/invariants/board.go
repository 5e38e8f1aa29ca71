package invariants

import (
	"maps"
	"slices"
)

// Board has the violations that stand. Each belongs to the check that found it, which replaces its violations whenever
// it runs again.
type Board struct {
	checks map[string][]Violation
	counts map[int]int
}

// NewBoard makes a board without violations.
func NewBoard() *Board { return &Board{checks: map[string][]Violation{}, counts: map[int]int{}} }

// Set replaces the violations of a check, and returns those that the check did not have before.
func (b *Board) Set(check string, found []Violation) (fresh []Violation) {
	before := b.checks[check]
	for _, v := range before {
		b.counts[v.Invariant]--
	}
	for _, v := range found {
		b.counts[v.Invariant]++
		if !slices.Contains(before, v) {
			fresh = append(fresh, v)
		}
	}
	if len(found) == 0 {
		delete(b.checks, check)
	} else {
		b.checks[check] = found
	}
	return fresh
}

// maxKept is how many violations of a check the board keeps that cannot heal.
const maxKept = 1000

// Add adds violations that cannot heal to those of a check, and returns those that are new. The board keeps a thousand
// of them for each check.
func (b *Board) Add(check string, found []Violation) (fresh []Violation) {
	for _, v := range found {
		kept := b.checks[check]
		if len(kept) == maxKept || slices.Contains(kept, v) {
			continue
		}
		b.checks[check] = append(kept, v)
		b.counts[v.Invariant]++
		fresh = append(fresh, v)
	}
	return fresh
}

// Count returns how many violations of an invariant stand.
func (b *Board) Count(invariant int) int { return b.counts[invariant] }

// List returns at most limit violations, sorted by the checks that found them.
func (b *Board) List(limit int) (list []Violation) {
	for _, check := range slices.Sorted(maps.Keys(b.checks)) {
		for _, v := range b.checks[check] {
			if len(list) == limit {
				return list
			}
			list = append(list, v)
		}
	}
	return list
}
