package placement

// Steps after which the chaos tests kill the process.
const (
	afterIntent         = "orders-placed"
	afterReserve        = "orders-reserved"
	afterAuthorise      = "orders-authorised"
	afterDecision       = "orders-decided"
	afterRejectionBegun = "orders-giving-up"
	afterVoid           = "orders-voided"
	afterRelease        = "orders-released"
)
