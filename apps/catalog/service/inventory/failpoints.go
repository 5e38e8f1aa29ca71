package inventory

// Steps after which the chaos tests kill the process. The command is then in the log, but its caller has no answer.
const (
	afterReserve  = "catalog-reserved"
	afterCommit   = "catalog-committed"
	afterRelease  = "catalog-released"
	afterShip     = "catalog-shipped"
	afterReturn   = "catalog-returned"
	afterDecision = "catalog-decided" // the decision of an order is applied, and its event is not acknowledged
	afterAdjust   = "catalog-adjusted"
)
