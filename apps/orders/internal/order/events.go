package order

import "haberdash/internal/money"

// Types of events beside those of internal/contract. A note is not published: its data is not for other services (the
// payment token), other services learn it from another event (money), or it is an index of this log.
const (
	EventPaymentRequested = "payment.requested" // note: Request
	EventRejectionBegun   = "order.given-up"    // note: Rejection
	EventListed           = "listed"            // note on a list
	EventCartTaken        = "cart.taken"        // note on a cart: CartUse
	EventCartFreed        = "cart.freed"        // note on a cart: CartUse

	EventPaymentAuthorized = "payment.authorized" // note: MoneyMoved
	EventPaymentCaptured   = "payment.captured"   // note: MoneyMoved
	EventPaymentRefunded   = "payment.refunded"   // note: MoneyMoved
	EventPaymentVoided     = "payment.voided"     // note: MoneyMoved

	EventFulfilmentRequested = "fulfilment.requested" // FulfilmentRequested
	EventFulfilmentFailed    = "fulfilment.failed"    // Ended
	EventFulfilmentDelivered = "fulfilment.delivered" // Ended

	EventReturnRequested = "return.requested" // ReturnRequested
	EventReturnReceived  = "return.received"  // ReturnReceived
	EventReturnRefunded  = "return.settled"   // Ended

	EventRefundRequested = "refund.requested" // RefundRequested
	EventRefundPaid      = "refund.settled"   // Ended
	EventRefundFailed    = "refund.failed"    // Ended

	EventRestEnded = "order.rest-ended" // Ended
)

// MoneyMoved is the data of a payment event.
type MoneyMoved struct {
	OrderID string      `json:"orderId"`
	Ref     string      `json:"ref,omitempty"` // the provider's id of the movement
	For     string      `json:"for,omitempty"` // the id of the fulfilment, return or refund
	Amount  money.Money `json:"amount"`
}

// FulfilmentRequested is the data of an event.
type FulfilmentRequested struct {
	OrderID    string     `json:"orderId"`
	Fulfilment Fulfilment `json:"fulfilment"`
}

// ReturnRequested is the data of an event.
type ReturnRequested struct {
	OrderID string `json:"orderId"`
	Return  Return `json:"return"`
}

// ReturnReceived is the data of an event.
type ReturnReceived struct {
	OrderID string `json:"orderId"`
	ID      string `json:"id"`
	Restock bool   `json:"restock"`
	Owed    int64  `json:"owed"`
}

// RefundRequested is the data of an event.
type RefundRequested struct {
	OrderID string `json:"orderId"`
	Refund  Refund `json:"refund"`
}

// Ended is the data of an event after which the order, or the part of it with the id, has reached an end.
type Ended struct {
	OrderID      string `json:"orderId"`
	ID           string `json:"id,omitempty"`
	Reason       string `json:"reason,omitempty"` // a code
	SealedReason Sealed `json:"why,omitzero"`     // in a person's words
}
