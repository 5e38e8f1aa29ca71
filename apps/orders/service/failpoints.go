package service

import "haberdash/internal/failpoint"

// The steps after which a process may die, for the chaos tests.
const (
	afterPlace     = "orders-placed"
	afterReserve   = "orders-reserved"
	afterAuthorise = "orders-authorised"
	afterDecision  = "orders-decided"
	afterGiveUp    = "orders-giving-up"
	afterVoid      = "orders-voided"
	afterRelease   = "orders-released"
	afterIntent    = "orders-promised" // a cancellation, fulfilment, return or refund is in the log, nothing done
	afterCapture   = "orders-captured"
	afterShip      = "orders-shipped"
	afterRefund    = "orders-refunded"
	afterRestock   = "orders-restocked"
)

func reached(step string) { failpoint.Reach(step) }
