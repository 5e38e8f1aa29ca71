package contract

import (
	"errors"

	"haberdash/internal/money"
	"haberdash/internal/strictjson"
)

// Types of the events on TopicOrders that other services may use. The aggregate is "order/<id>". The data of a placed
// and of a confirmed order is an OrderFact, of the others an object with at least "orderId".
const (
	OrderPlaced    = "order.placed"
	OrderConfirmed = "order.confirmed"
	OrderRejected  = "order.rejected"
	OrderCancelled = "order.cancelled"

	// FulfilmentShipped means that a parcel was shipped. Its data is a ShipmentFact.
	FulfilmentShipped = "fulfilment.shipped"
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

// ShipmentFact is the data of a shipped parcel in events.
type ShipmentFact struct {
	OrderID        string `json:"orderId"`
	Number         string `json:"number"`
	Customer       string `json:"customer,omitempty"`
	ID             string `json:"id"` // of the fulfilment
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Lines          []Line `json:"lines"`
}

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
