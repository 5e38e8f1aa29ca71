package contract

import (
	"errors"

	"haberdash/internal/money"
	"haberdash/internal/strictjson"
)

// Types of the events on TopicOrders. The aggregate is "order/<id>". Published has the data of each.
const (
	OrderPlaced    = "order.placed"
	OrderConfirmed = "order.confirmed"
	OrderRejected  = "order.rejected"
	OrderCancelled = "order.cancelled"

	// OrderRestEnded means that what is not shipped of the order will not be shipped any more.
	OrderRestEnded = "order.rest-ended"

	// FulfilmentRequested means that lines were assigned to a parcel. Its data is a FulfilmentFact.
	FulfilmentRequested = "fulfilment.requested"
	// FulfilmentShipped means that a parcel was shipped. Its data is a ShipmentFact.
	FulfilmentShipped = "fulfilment.shipped"
	// FulfilmentFailed means that the payment provider refused to capture a parcel's share. Its data is a PartFact.
	FulfilmentFailed = "fulfilment.failed"
	// FulfilmentDelivered means that a parcel has arrived. Its data is a PartFact.
	FulfilmentDelivered = "fulfilment.delivered"

	// ReturnRequested means that lines are to come back. Its data is a ReturnFact.
	ReturnRequested = "return.requested"
	// ReturnReceived means that a return has come in. Its data is a ReceiptFact.
	ReturnReceived = "return.received"
	// ReturnSettled means that a return is refunded, and is in stock again if it should be. Its data is a PartFact.
	ReturnSettled = "return.settled"

	// RefundRequested means that staff give money back. Its data is a RefundFact.
	RefundRequested = "refund.requested"
	// RefundSettled means that such a refund was paid, and RefundFailed that the payment provider refused it. Their data
	// is a PartFact.
	RefundSettled = "refund.settled"
	RefundFailed  = "refund.failed"
)

// Types of the events about money. They are in the history of an order (see History), and are not published.
const (
	PaymentAuthorized = "payment.authorized"
	PaymentCaptured   = "payment.captured"
	PaymentRefunded   = "payment.refunded"
	PaymentVoided     = "payment.voided"
)

// OrderFact is the data of an order in events. Brokers and logs cannot erase data, so it has no personal data but the
// user id. Contact has the rest.
type OrderFact struct {
	OrderID     string      `json:"orderId"`
	Number      string      `json:"number"`
	Customer    string      `json:"customer,omitempty"` // user id, empty for a guest
	CartID      string      `json:"cartId"`
	CartVersion int64       `json:"cartVersion"`
	Lines       []OrderLine `json:"lines"`
	Subtotal    money.Money `json:"subtotal"`
	Discount    money.Money `json:"discount"`
	Shipping    money.Money `json:"shipping"`
	Tax         money.Money `json:"tax"`
	Total       money.Money `json:"total"`
}

// DecodeOrderFact decodes the data of a placed or confirmed order. The error does not quote the data.
func DecodeOrderFact(e Event) (fact OrderFact, err error) {
	if strictjson.Unmarshal(e.Data, &fact) != nil || fact.OrderID == "" {
		return fact, errors.New("the event's data is not that of an order")
	}
	return fact, nil
}

// OrderLine is a line of an order. Total is quantity × unitPrice; the buyer pays total − discount + tax.
type OrderLine struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice"`
	Total     money.Money `json:"total"`
	Taxable   bool        `json:"taxable"`
	Shipped   bool        `json:"shipped" doc:"Needs shipping"`
	Discount  money.Money `json:"discount" doc:"The line's share of the order's discount"`
	Tax       money.Money `json:"tax"`
}

// RejectionFact is the data of a rejected order in events.
type RejectionFact struct {
	OrderID string             `json:"orderId"`
	Reason  string             `json:"reason" enum:"out-of-stock,payment-declined,expired,price-changed,cart-changed"`
	Code    string             `json:"code,omitempty"`   // the payment provider's, of a declined payment
	Lines   []OutOfStockLine   `json:"lines,omitempty"`  // for out-of-stock
	Prices  []PriceChangedLine `json:"prices,omitempty"` // for price-changed
	Gone    []string           `json:"gone,omitempty"`   // for cart-changed: the SKUs that are no longer sold
}

// EndingFact is the data of a cancelled order, or of an order whose rest has ended, in events.
type EndingFact struct {
	OrderID string `json:"orderId"`
	Reason  string `json:"reason,omitempty"` // a code, such as authorization-expired; empty if a person has cancelled
	Why     Sealed `json:"why,omitzero"`     // the reason in the words of a person
}

// Sealed is text that the app orders has encrypted. Other apps ignore it. The app destroys the key when the personal
// data of the order is erased.
type Sealed struct {
	Key  string `json:"key"` // its name
	Data []byte `json:"data"`
}

// ShipmentFact is the data of a shipped parcel in events.
type ShipmentFact struct {
	OrderID        string `json:"orderId"`
	Number         string `json:"number"`
	Customer       string `json:"customer,omitempty"` // user id, empty for a guest
	ID             string `json:"id"`                 // of the fulfilment
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Lines          []Line `json:"lines"`
}

type (
	// Part is a quantity of one SKU in a parcel or a return, and its share of what the order costs in minor units of the
	// order's currency.
	Part struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Amount   int64  `json:"amount"`
	}
	// FulfilmentFact is the data of a requested parcel in events.
	FulfilmentFact struct {
		OrderID    string         `json:"orderId"`
		Fulfilment FulfilmentPart `json:"fulfilment"`
	}
	// FulfilmentPart is a parcel.
	FulfilmentPart struct {
		ID             string `json:"id"`
		Parts          []Part `json:"parts"`
		Freight        int64  `json:"freight,omitempty"` // the shipping cost of the order, if this parcel bears it
		Carrier        string `json:"carrier"`
		TrackingNumber string `json:"trackingNumber"`
		Status         string `json:"status" enum:"pending"`
		Fingerprint    string `json:"fingerprint,omitempty"` // of the request, for the app orders; other apps ignore it
	}
	// ReturnFact is the data of a requested return in events.
	ReturnFact struct {
		OrderID string     `json:"orderId"`
		Return  ReturnPart `json:"return"`
	}
	// ReturnPart is a return.
	ReturnPart struct {
		ID          string `json:"id"`
		Parts       []Part `json:"parts"`
		Status      string `json:"status" enum:"requested"`
		Fingerprint string `json:"fingerprint,omitempty"` // of the request, for the app orders; other apps ignore it
		Why         Sealed `json:"why,omitzero"`          // the reason in the words of a person
	}
	// ReceiptFact is the data of a received return in events. Events that were published before the members currency and
	// number existed do not have them.
	ReceiptFact struct {
		OrderID  string `json:"orderId"`
		Number   string `json:"number,omitempty"`   // of the order
		Customer string `json:"customer,omitempty"` // user id, empty for a guest
		ID       string `json:"id"`                 // of the return
		Restock  bool   `json:"restock"`            // the goods are to be in stock again
		Owed     int64  `json:"owed"`               // the amount to be refunded, in minor units
		Currency string `json:"currency,omitempty" pattern:"^[A-Z]{3}$"`
	}
	// RefundFact is the data of a requested refund in events.
	RefundFact struct {
		OrderID string     `json:"orderId"`
		Refund  RefundPart `json:"refund"`
	}
	// RefundPart is a refund.
	RefundPart struct {
		ID          string `json:"id"`
		Amount      int64  `json:"amount"` // minor units of the order's currency
		Status      string `json:"status" enum:"pending"`
		Fingerprint string `json:"fingerprint,omitempty"` // of the request, for the app orders; other apps ignore it
		Why         Sealed `json:"why,omitzero"`          // the reason in the words of a person
	}
	// PartFact is the data of an event about a part of an order that an earlier event has described.
	PartFact struct {
		OrderID string `json:"orderId"`
		ID      string `json:"id"`               // of the fulfilment, return or refund
		Reason  string `json:"reason,omitempty"` // a code of the payment provider, if it has refused
	}
)

type (
	// HistoriesRequest asks for the histories of orders: POST orders/internal/histories. The reply has one for each order
	// of the request, in the same sequence.
	HistoriesRequest struct {
		OrderIDs []string `json:"orderIds" minItems:"1" maxItems:"50" nullable:"false"`
	}
	// History lists the events of one order, oldest first, with those that are not published. It has no events if orders
	// does not know the order.
	History struct {
		OrderID string         `json:"orderId"`
		Events  []HistoryEvent `json:"events" nullable:"false"`
	}
	// HistoryEvent is an event of an order. Of its data it has only what an event about money says.
	HistoryEvent struct {
		Seq       uint64 `json:"seq"`
		Type      string `json:"type"`
		Published bool   `json:"published,omitempty"`
		For       string `json:"for,omitempty"`    // the id of the fulfilment, return or refund
		Amount    int64  `json:"amount,omitempty"` // minor units of the order's currency
	}
	// HistoriesReply has a History for each order of the request, in its sequence.
	HistoriesReply struct {
		Histories []History `json:"histories" nullable:"false"`
	}
)

type (
	// ContactsRequest asks for the recipients of mails about orders: POST orders/internal/contacts. The reply has one for
	// each order of the request, in the same sequence. Problem: not-found (404) if orders does not know one of them, or
	// not yet.
	ContactsRequest struct {
		OrderIDs []string `json:"orderIds" minItems:"1" maxItems:"50" nullable:"false"`
	}
	// Contact is the recipient of mails about one order.
	Contact struct {
		OrderID         string  `json:"orderId"`
		Erased          bool    `json:"erased,omitempty"` // the customer's account was deleted: send no mail
		Email           string  `json:"email"`
		Mailbox         string  `json:"mailbox,omitempty"`     // a keyed digest: mails to the mailbox are counted by it
		AccessToken     string  `json:"accessToken,omitempty"` // gives a guest access to the order
		ShippingAddress Address `json:"shippingAddress"`
	}
	// ContactsReply has a Contact for each order of the request, in its sequence.
	ContactsReply struct {
		Contacts []Contact `json:"contacts" nullable:"false"`
	}
)
