// Package order is the order: what was bought, for how much, and what became of it. It is event-sourced
// on a commit log; this file has the aggregate, commands.go what may be done to it, book.go the log.
//
// Rules (each has a test of its number):
//
//  1. An order is placed once. Placing it again, with the same request, meets the existing order; with
//     another request it is refused.
//  2. An order is decided once: confirmed or rejected. A later decision of the same kind changes nothing, one
//     of the other kind is refused.
//  3. It is confirmed only with an authorisation of exactly its total.
//  4. Only a confirmed order of which nothing was shipped can be cancelled; cancelling twice changes
//     nothing.
//  5. The authorisation of a cancelled order is voided, and that is recorded once.
package order

import (
	"fmt"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// Status of an order.
type Status string

// The statuses of the public API.
const (
	Placing   Status = "placing"
	Confirmed Status = "confirmed"
	Rejected  Status = "rejected"
	Cancelled Status = "cancelled"
)

// Payment statuses of the public API.
const (
	PaymentNone       = "none"
	PaymentAuthorized = "authorized"
	PaymentVoided     = "voided"
	PaymentDeclined   = "declined"
)

// Event types beside those of the contract. Those with a dot of their own service are published; the
// payment request is an internal one: it carries the payment token.
const (
	paymentRequested  = "payment.requested"
	paymentAuthorized = "payment.authorized"
	paymentVoided     = "payment.voided"
)

// Request is the buyer's intent, fixed when the order is placed.
type Request struct {
	Fingerprint string `json:"fingerprint"` // of the canonical request body
	Token       string `json:"token"`       // of the payment; never leaves the service
}

// Reasons of a rejection.
const (
	OutOfStock      = "out-of-stock"
	PaymentDeclines = "payment-declined"
	Expired         = "expired" // no answer from the provider within patience
)

// Rejection says why an order was rejected.
type Rejection struct {
	OrderID string                    `json:"orderId"`
	Reason  string                    `json:"reason"`
	Code    string                    `json:"code,omitempty"`  // of a declined payment
	Lines   []contract.OutOfStockLine `json:"lines,omitempty"` // that were short
}

// Payment is what the order knows of its money. Amounts are of the order's currency.
type Payment struct {
	Status        string      `json:"status"`
	Authorisation string      `json:"authorisation,omitempty"` // the provider's id
	Authorized    money.Money `json:"authorized"`
	Captured      money.Money `json:"captured"`
	Refunded      money.Money `json:"refunded"`
}

// Order is the aggregate's state. It is an immutable value: slices are never changed in place.
type Order struct {
	contract.OrderFact
	Status    Status     `json:"status"`
	Request   Request    `json:"request"`
	Payment   Payment    `json:"payment"`
	Rejection *Rejection `json:"rejection,omitempty"`
	PlacedAt  time.Time  `json:"placedAt"`
	DecidedBy uint64     `json:"decidedBy,omitempty"` // sequence number of the decision
}

// State is any aggregate of an orders log: an order ("order/<id>"), the index of orders that need work
// ("open"), or a list of orders ("list/…"), which has no state of its own: its events are the entries.
type State struct {
	Order *Order               `json:"order,omitempty"`
	Open  map[string]time.Time `json:"open,omitempty"` // order → when it became open
}

type entry struct {
	Order string `json:"order"`
}

const (
	openID      = "open"
	openAdded   = "open.added"
	openDropped = "open.dropped"
	listed      = "listed"
	listAll     = "list/all"
)

func orderID(id string) string          { return "order/" + id }
func listOfCustomer(user string) string { return "list/customer/" + user }
func listOfStatus(s Status) string      { return "list/status/" + string(s) }

// Model folds an orders log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(id string, s State, e commitlog.Event) (State, error) {
	switch e.Type {
	case listed:
		return s, nil
	case openAdded, openDropped:
		return applyOpen(s, e)
	}
	o := Order{}
	if s.Order != nil {
		o = *s.Order
	}
	if err := applyOrder(&o, e); err != nil {
		return s, err
	}
	return State{Order: &o}, nil
}

func applyOrder(o *Order, e commitlog.Event) error {
	switch e.Type {
	case contract.OrderPlaced:
		if err := e.Decode(&o.OrderFact); err != nil {
			return err
		}
		zero := money.New(0, o.Total.Currency)
		o.Status, o.PlacedAt = Placing, e.At
		o.Payment = Payment{Status: PaymentNone, Authorized: zero, Captured: zero, Refunded: zero}
	case paymentRequested:
		return e.Decode(&o.Request)
	case paymentAuthorized:
		var p authorized
		if err := e.Decode(&p); err != nil {
			return err
		}
		o.Payment.Status, o.Payment.Authorisation, o.Payment.Authorized = PaymentAuthorized, p.ID, p.Amount
	case contract.OrderConfirmed:
		o.Status, o.DecidedBy = Confirmed, e.Seq
	case contract.OrderRejected:
		var r Rejection
		if err := e.Decode(&r); err != nil {
			return err
		}
		o.Status, o.Rejection, o.DecidedBy = Rejected, &r, e.Seq
		if r.Reason == PaymentDeclines {
			o.Payment.Status = PaymentDeclined
		}
	case contract.OrderCancelled:
		o.Status = Cancelled
	case paymentVoided:
		o.Payment.Status, o.Payment.Authorized = PaymentVoided, money.New(0, o.Total.Currency)
	default:
		return fmt.Errorf("unknown event %s", e.Type)
	}
	return nil
}

type authorized struct {
	ID     string      `json:"id"`
	Amount money.Money `json:"amount"`
}

func applyOpen(s State, e commitlog.Event) (State, error) {
	var x entry
	if err := e.Decode(&x); err != nil {
		return s, err
	}
	next := make(map[string]time.Time, len(s.Open)+1)
	for id, at := range s.Open {
		next[id] = at
	}
	if e.Type == openAdded {
		next[x.Order] = e.At
	} else {
		delete(next, x.Order)
	}
	return State{Open: next}, nil
}

// AtDecision is the order as its decision left it: what the first answer to its placement showed.
func (o Order) AtDecision() Order {
	if o.Status == Cancelled {
		o.Status = Confirmed
		o.Payment = Payment{Status: PaymentAuthorized, Authorisation: o.Payment.Authorisation, Authorized: o.Total,
			Captured: money.New(0, o.Total.Currency), Refunded: money.New(0, o.Total.Currency)}
	}
	return o
}
