package order

import (
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// Types of events and their data. The data of a published event has the shape that internal/contract promises, which a
// test compares. An internal event is not published: its data is not for other services (the payment token), other
// services learn it from another event (money), or it is an index of this log.
const (
	EventPaymentRequested = "payment.requested" // internal: Request
	EventRejectionBegun   = "order.given-up"    // internal: Rejection
	EventListed           = "listed"            // internal, on a list
	EventCartTaken        = "cart.taken"        // internal, on a cart: CartUse
	EventCartFreed        = "cart.freed"        // internal, on a cart: CartUse

	EventPaymentAuthorized = contract.PaymentAuthorized // internal: MoneyMoved
	EventPaymentCaptured   = contract.PaymentCaptured   // internal: MoneyMoved
	EventPaymentRefunded   = contract.PaymentRefunded   // internal: MoneyMoved
	EventPaymentVoided     = contract.PaymentVoided     // internal: MoneyMoved

	EventFulfilmentRequested = contract.FulfilmentRequested // FulfilmentRequested
	EventFulfilmentFailed    = contract.FulfilmentFailed    // Outcome
	EventFulfilmentDelivered = contract.FulfilmentDelivered // Outcome

	EventReturnRequested = contract.ReturnRequested // ReturnRequested
	EventReturnReceived  = contract.ReturnReceived  // ReturnReceived
	EventReturnRefunded  = contract.ReturnSettled   // Outcome

	EventRefundRequested = contract.RefundRequested // RefundRequested
	EventRefundPaid      = contract.RefundSettled   // Outcome
	EventRefundFailed    = contract.RefundFailed    // Outcome

	EventUnshippedEnded = contract.OrderRestEnded // Outcome
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

// ReturnReceived is the data of an event. Number, Customer and Currency are for other apps, and older events do not
// have them.
type ReturnReceived = contract.ReceiptFact

// RefundRequested is the data of an event.
type RefundRequested struct {
	OrderID string `json:"orderId"`
	Refund  Refund `json:"refund"`
}

// Outcome is the data of an event that records the outcome of an order, or of the part of it with the id.
type Outcome struct {
	OrderID      string `json:"orderId"`
	ID           string `json:"id,omitempty"`
	Reason       string `json:"reason,omitempty"` // a code
	SealedReason Sealed `json:"why,omitzero"`     // in a person's words
}
