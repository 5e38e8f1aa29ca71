package record

import "haberdash/internal/invariants"

// Violation is a broken invariant. The package comment of checker explains the invariants.
type Violation = invariants.Violation
