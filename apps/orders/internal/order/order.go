// Package order is the order: what was bought, for how much, and what became of it. It is event-sourced
// on a commit log. This file has the aggregate's state, events.go what changes it, worth.go what a part of it
// is worth, duty.go what it still owes to others; place.go, fulfil.go, giveback.go have the commands; book.go
// reads.
//
// Rules (each has a test of its number):
//
//  1. An order is placed once. Placing it again, with the same request, meets the existing order; with
//     another request it is refused.
//  2. An order is decided once: confirmed or rejected. A later decision of the same kind changes nothing, one
//     of the other kind is refused.
//  3. It is confirmed only with an authorisation of exactly its total.
//  4. Only a confirmed order of which nothing was shipped, or is about to be, can be cancelled; cancelling
//     twice changes nothing.
//  5. The authorisation of a cancelled order is voided, and that is recorded once.
//  6. A fulfilment takes lines that no other has, and owes their share of the total: the shares of a whole
//     order sum to its total, to the last minor unit. It is shipped when its share is captured, or fails
//     and gives its lines back.
//  7. A shipped fulfilment is delivered once; the order is delivered when all of it is.
//  8. A return asks for what was shipped and no other return has. Received, it owes back what its lines
//     cost, and with the last of them what shipping cost: 0 ≤ refunded ≤ captured always.
//  9. A refund by hand gives back at most what is captured and neither given back nor owed.
//  10. One id, one fulfilment, return or refund: a repetition changes nothing, another request under the id
//     is refused.
//  11. When the authorisation ends before everything is shipped, the rest of the order ends: all of it, if
//     nothing was shipped, is cancelled.
//  12. One version of a cart is ordered once, unless that order is rejected.
package order

import (
	"time"

	"haberdash/internal/contract"
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

// Sealed is what can be read with the key of that name, and no longer by anybody once the key is destroyed: the log,
// which forgets nothing, has personal data in no other form.
type Sealed struct {
	Key  string `json:"key"`
	Data []byte `json:"data"`
}

// Request is the buyer's intent, fixed when the order is placed. It never leaves the service.
type Request struct {
	Fingerprint string `json:"fingerprint"`      // of the canonical request body
	Token       string `json:"token"`            // of the payment
	Contact     Sealed `json:"contact,omitzero"` // how to reach the buyer
	Invoice     Sealed `json:"invoice,omitzero"` // whom the goods and the invoice are for: the law wants it kept
}

// Reasons of a rejection.
const (
	OutOfStock      = "out-of-stock"
	PaymentDeclines = "payment-declined"
	Expired         = "expired" // no answer from the provider within patience
	PriceChanged    = "price-changed"
	CartChanged     = "cart-changed" // something in it is no longer sold
)

// Rejection says why an order was rejected.
type Rejection struct {
	OrderID string                      `json:"orderId"`
	Reason  string                      `json:"reason"`
	Code    string                      `json:"code,omitempty"`   // of a declined payment
	Lines   []contract.OutOfStockLine   `json:"lines,omitempty"`  // that were short
	Prices  []contract.PriceChangedLine `json:"prices,omitempty"` // that were not the catalogue's
	Gone    []string                    `json:"gone,omitempty"`   // SKUs that are no longer sold
}

// OfGoods tells a refusal of the goods: nothing of the order was reserved, and no money asked for.
func (r Rejection) OfGoods() bool {
	return r.Reason == OutOfStock || r.Reason == PriceChanged || r.Reason == CartChanged
}

// Order is the aggregate's state. It is an immutable value: slices are never changed in place.
type Order struct {
	contract.OrderFact
	Former
	Status      Status       `json:"status"`
	Request     Request      `json:"request"`
	Payment     Payment      `json:"payment"`
	Rejection   *Rejection   `json:"rejection,omitempty"`
	PlacedAt    time.Time    `json:"placedAt"`
	ChangedAt   time.Time    `json:"changedAt"`
	DecidedBy   uint64       `json:"decidedBy,omitempty"` // sequence number of the decision
	Fulfilments []Fulfilment `json:"fulfilments,omitempty"`
	Returns     []Return     `json:"returns,omitempty"`
	Refunds     []Refund     `json:"refunds,omitempty"`
	RestEnded   bool         `json:"restEnded,omitempty"` // what is not shipped will not be (rule 11)
	Settled     bool         `json:"settled,omitempty"`   // money and stock of what was cancelled, or of an ended rest, are free
}

// Former is what orders had in the clear before it was sealed: see Request.
type Former struct {
	Email           string           `json:"email,omitempty"`
	ShippingAddress contract.Address `json:"shippingAddress,omitzero"`
}

// Stages of a fulfilment, a return or a refund.
const (
	Pending   = "pending"   // a fulfilment or refund whose money has not moved yet
	Shipped   = "shipped"   // a fulfilment whose share is captured
	Arrived   = "delivered" // a fulfilment
	Failed    = "failed"    // a fulfilment or refund that the payment provider refused
	Requested = "requested" // a return
	Received  = "received"  // a return whose money has not moved yet
	Refunded  = "refunded"  // a return or refund that is done
)

// Part is what a fulfilment or return has of one SKU.
type Part struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Amount   int64  `json:"amount"` // its worth, in minor units of the order's currency
}

// Fulfilment is a parcel.
type Fulfilment struct {
	ID             string `json:"id"`
	Fingerprint    string `json:"fingerprint,omitempty"`
	Parts          []Part `json:"parts"`
	Freight        int64  `json:"freight,omitempty"` // what it owes of the order's shipping
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Status         string `json:"status"`
	Failure        string `json:"failure,omitempty"`
	SettledBy      uint64 `json:"settledBy,omitempty"` // sequence number of the event that ended its pending
}

// Return is goods on their way back.
type Return struct {
	ID          string `json:"id"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Parts       []Part `json:"parts"`
	Reason      string `json:"reason,omitempty"` // as Former
	Why         Sealed `json:"why,omitzero"`     // the reason
	Status      string `json:"status"`
	Restock     bool   `json:"restock,omitempty"`
	Owed        int64  `json:"owed,omitempty"` // what is given back for it, once received
	RequestedBy uint64 `json:"requestedBy,omitempty"`
}

// Refund is money given back by hand.
type Refund struct {
	ID          string `json:"id"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Amount      int64  `json:"amount"`
	Reason      string `json:"reason,omitempty"` // as Former
	Why         Sealed `json:"why,omitzero"`     // the reason
	Status      string `json:"status"`
	SettledBy   uint64 `json:"settledBy,omitempty"`
}

// Amount is what a fulfilment captures.
func (f Fulfilment) Amount() int64 { return worth(f.Parts) + f.Freight }

// live reports whether the fulfilment has its lines.
func (f Fulfilment) live() bool { return f.Status != Failed }

// sent reports whether the fulfilment's goods have left.
func (f Fulfilment) sent() bool { return f.Status == Shipped || f.Status == Arrived }

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

// Money gives an amount of the order's currency.
func (o Order) Money(amount int64) money.Money { return money.New(amount, o.Total.Currency) }

// State is any aggregate of an orders log: an order ("order/<id>"), a cart that was ordered ("cart/<id>"), or a
// list, which has no state.
type State struct {
	Order *Order  `json:"order,omitempty"`
	Taken *Taking `json:"taken,omitempty"`
}

// Taking says which version of a cart became which order (rule 12).
type Taking struct {
	Version int64  `json:"version"`
	Order   string `json:"order"` // empty when that order was rejected
}

func orderID(id string) string  { return "order/" + id }
func cartID(cart string) string { return "cart/" + cart }
