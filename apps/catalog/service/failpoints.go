package service

import "haberdash/internal/failpoint"

// The steps after which a process may die, for the chaos tests: what was asked for is in the log, and nobody has
// been told.
const (
	afterReserve  = "catalog-reserved"
	afterCommit   = "catalog-committed"
	afterRelease  = "catalog-released"
	afterShip     = "catalog-shipped"
	afterReturn   = "catalog-returned"
	afterDecision = "catalog-decided" // an order's decision is applied, its event is not acknowledged
	afterAdjust   = "catalog-adjusted"
)

func reached(step string) { failpoint.Reach(step) }
