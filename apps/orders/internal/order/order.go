// Package order is the state of an order: what was bought, for how much, and what became of it. The state is folded
// from the events of the orders log. order.go has the state, events.go the events, fold.go how an event changes the
// state, amounts.go and payment.go the sums, and duties.go what the order still owes.
//
// Package orderlog decides which events may happen, and has the business rules. Package share divides amounts.
package order

import (
	"strings"
	"time"

	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Status of an order.
type Status string

// The statuses of the public API.
const (
	Placing            Status = "placing"
	Confirmed          Status = "confirmed"
	Rejected           Status = "rejected"
	Cancelled          Status = "cancelled"
	PartiallyFulfilled Status = "partially-fulfilled"
	Fulfilled          Status = "fulfilled"
	Delivered          Status = "delivered"
	Returned           Status = "returned"
)

// Statuses lists all statuses.
var Statuses = []Status{Placing, Confirmed, Rejected, Cancelled, PartiallyFulfilled, Fulfilled, Delivered, Returned}

// Sealed is an encrypted value and the name of its key. Nobody can read it once the key is destroyed. The log is never
// erased, so it has personal data in no other form.
type Sealed struct {
	Key  string `json:"key"`
	Data []byte `json:"data"`
}

// Request is what the buyer asked for, fixed when the order is placed. It never leaves the service.
type Request struct {
	Fingerprint string `json:"fingerprint"`      // of the request's body
	Token       string `json:"token"`            // of the payment
	Contact     Sealed `json:"contact,omitzero"` // the buyer's e-mail address
	Invoice     Sealed `json:"invoice,omitzero"` // name and address on the invoice, which the law wants kept
}

// Reasons of a rejection.
const (
	OutOfStock      = "out-of-stock"
	PaymentDeclined = "payment-declined"
	Expired         = "expired" // the payment provider did not answer in time
	PriceChanged    = "price-changed"
	CartChanged     = "cart-changed" // an article of the cart is no longer sold
)

// RejectionReasons lists all reasons.
var RejectionReasons = []string{OutOfStock, PaymentDeclined, Expired, PriceChanged, CartChanged}

// Rejection says why an order was rejected.
type Rejection struct {
	OrderID string                      `json:"orderId"`
	Reason  string                      `json:"reason"`
	Code    string                      `json:"code,omitempty"`   // of a declined payment
	Lines   []contract.OutOfStockLine   `json:"lines,omitempty"`  // for OutOfStock
	Prices  []contract.PriceChangedLine `json:"prices,omitempty"` // for PriceChanged
	Gone    []string                    `json:"gone,omitempty"`   // for CartChanged: the SKUs
}

// OfGoods reports whether the goods were refused: then nothing was reserved and no money was requested.
func (r Rejection) OfGoods() bool {
	return r.Reason == OutOfStock || r.Reason == PriceChanged || r.Reason == CartChanged
}

// Order is the state of an order. It is an immutable value: slices are never changed in place.
type Order struct {
	contract.OrderFact
	Unsealed
	Status         Status       `json:"status"`
	Request        Request      `json:"request"`
	Payment        Payment      `json:"payment"`
	Rejection      *Rejection   `json:"rejection,omitempty"` // with the status Placing: it is about to be rejected
	PlacedAt       time.Time    `json:"placedAt"`
	ChangedAt      time.Time    `json:"changedAt"`
	DecidedBy      uint64       `json:"decidedBy,omitempty"` // sequence number of the confirmation or rejection
	Fulfilments    []Fulfilment `json:"fulfilments,omitempty"`
	Returns        []Return     `json:"returns,omitempty"`
	Refunds        []Refund     `json:"refunds,omitempty"`
	UnshippedEnded bool         `json:"restEnded,omitempty"` // what is not shipped will not be shipped any more
	Released       bool         `json:"settled,omitempty"`   // the money and the stock of what will not be shipped are free
}

// Unsealed is the plain-text contact of orders that were placed before contacts were sealed: see Request.
type Unsealed struct {
	Email           string           `json:"email,omitempty"`
	ShippingAddress contract.Address `json:"shippingAddress,omitzero"`
}

// Statuses of a fulfilment, a return or a refund.
const (
	Pending   = "pending"   // a fulfilment or refund whose money has not moved yet
	Shipped   = "shipped"   // a fulfilment whose share is captured
	Arrived   = "delivered" // a fulfilment
	Failed    = "failed"    // a fulfilment or refund that the payment provider refused
	Requested = "requested" // a return
	Received  = "received"  // a return whose money has not moved yet
	Refunded  = "refunded"  // a return or refund whose money was given back
)

// Fulfilment is a parcel.
type Fulfilment struct {
	ID             string       `json:"id"`
	Fingerprint    string       `json:"fingerprint,omitempty"`
	Parts          []share.Part `json:"parts"`
	Freight        int64        `json:"freight,omitempty"` // the order's shipping cost, if this parcel bears it
	Carrier        string       `json:"carrier"`
	TrackingNumber string       `json:"trackingNumber"`
	Status         string       `json:"status"`
	Failure        string       `json:"failure,omitempty"`   // the code of the payment provider's refusal
	ResolvedBy     uint64       `json:"settledBy,omitempty"` // sequence number of the event after which it is not pending
}

// Return is goods that come back.
type Return struct {
	ID           string       `json:"id"`
	Fingerprint  string       `json:"fingerprint,omitempty"`
	Parts        []share.Part `json:"parts"`
	Reason       string       `json:"reason,omitempty"` // in the clear, of orders from before reasons were sealed
	SealedReason Sealed       `json:"why,omitzero"`
	Status       string       `json:"status"`
	Restock      bool         `json:"restock,omitempty"`
	Owed         int64        `json:"owed,omitempty"` // the refund, known once the return is received
	RequestedBy  uint64       `json:"requestedBy,omitempty"`
}

// Refund is money that staff give back.
type Refund struct {
	ID           string `json:"id"`
	Fingerprint  string `json:"fingerprint,omitempty"`
	Amount       int64  `json:"amount"`
	Reason       string `json:"reason,omitempty"` // as in Return
	SealedReason Sealed `json:"why,omitzero"`
	Status       string `json:"status"`
	ResolvedBy   uint64 `json:"settledBy,omitempty"` // as in Fulfilment
}

// Amount is what a fulfilment captures.
func (f Fulfilment) Amount() int64 { return share.Amount(f.Parts) + f.Freight }

// Live reports whether the fulfilment occupies its lines.
func (f Fulfilment) Live() bool { return f.Status != Failed }

// Sent reports whether the fulfilment's goods have left.
func (f Fulfilment) Sent() bool { return f.Status == Shipped || f.Status == Arrived }

// Pending reports whether the fulfilment's share is not captured yet.
func (f Fulfilment) Pending() bool { return f.Status == Pending }

// Fulfilment finds a fulfilment by its id.
func (o Order) Fulfilment(id string) (Fulfilment, bool) {
	return find(o.Fulfilments, func(f Fulfilment) bool { return f.ID == id })
}

// Return finds a return by its id.
func (o Order) Return(id string) (Return, bool) {
	return find(o.Returns, func(r Return) bool { return r.ID == id })
}

// Refund finds a refund by its id.
func (o Order) Refund(id string) (Refund, bool) {
	return find(o.Refunds, func(r Refund) bool { return r.ID == id })
}

func find[T any](list []T, is func(T) bool) (found T, ok bool) {
	for _, x := range list {
		if is(x) {
			return x, true
		}
	}
	return found, false
}

// PlacedWith refuses a request that is not the one the order was placed with: see KeyReused.
func (o Order) PlacedWith(fingerprint string) error {
	if o.Request.Fingerprint == fingerprint {
		return nil
	}
	return KeyReused()
}

// KeyReusedType is the type of the problem of KeyReused.
const KeyReusedType = "idempotency-key-reused"

// KeyReused refuses another request under an idempotency key that was used before: idempotency-key-reused (422). It
// names no field, because the key is in no body.
func KeyReused() *fault.Error {
	return fault.New(fault.Invalid, KeyReusedType, "This Idempotency-Key was used for another request.")
}

// Money is an amount in the order's currency.
func (o Order) Money(amount int64) money.Money { return money.New(amount, o.Total.Currency) }

// State is the state of any aggregate of the orders log: an order, a cart that was ordered, or a list, which has no
// state.
type State struct {
	Order *Order   `json:"order,omitempty"`
	Cart  *CartUse `json:"taken,omitempty"`
}

// CartUse says which version of a cart became which order.
type CartUse struct {
	Version int64  `json:"version"`
	Order   string `json:"order"` // empty when that order was rejected
}

// orderPrefix begins the aggregate ids of orders.
const orderPrefix = "order/"

// AggregateID is an order's id in the log.
func AggregateID(orderID string) string { return orderPrefix + orderID }

// IDOf is the id of the order that an aggregate of the log is, if it is one.
func IDOf(aggregate string) (orderID string, ok bool) {
	return strings.CutPrefix(aggregate, orderPrefix)
}

// CartAggregateID is a cart's id in the log.
func CartAggregateID(cartID string) string { return "cart/" + cartID }
