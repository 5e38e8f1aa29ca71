package contract

import (
	"encoding/json"
	"errors"

	"haberdash/internal/money"
)

// Types of the events on TopicOrders that others may rely on. The aggregate is "order/<id>". The data of a
// placed and of a confirmed order is an OrderFact, of the others an object with at least "orderId".
const (
	OrderPlaced    = "order.placed"
	OrderConfirmed = "order.confirmed"
	OrderRejected  = "order.rejected"
	OrderCancelled = "order.cancelled"

	// FulfilmentShipped: a parcel has left. Its data is a ShipmentFact.
	FulfilmentShipped = "fulfilment.shipped"
)

// OrderFact is what other services learn of an order from its confirmation. Brokers and logs keep what they are given,
// so nothing of the person goes there but the id: see Contact.
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

// DecodeOrderFact reads the data of a placed or confirmed order.
func DecodeOrderFact(e Event) (fact OrderFact, err error) {
	if json.Unmarshal(e.Data, &fact) != nil || fact.OrderID == "" {
		return fact, errors.New("the event's data is not that of an order")
	}
	return fact, nil
}

// OrderLine is a line of an order: total = quantity × unitPrice; the buyer pays total − discount + tax for it.
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

// ShipmentFact is what other services learn of a parcel.
type ShipmentFact struct {
	OrderID        string `json:"orderId"`
	Number         string `json:"number"`
	Customer       string `json:"customer,omitempty"`
	ID             string `json:"id"` // of the fulfilment
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Lines          []Line `json:"lines"`
}

// Contacts are who orders are to be written to: POST orders/internal/contacts, one for each order asked for, in that
// order. Problem: not-found (404), when one of them is not known there, or not yet.
type (
	ContactsRequest struct {
		OrderIDs []string `json:"orderIds" minItems:"1" maxItems:"50" nullable:"false"`
	}
	Contact struct {
		OrderID         string  `json:"orderId"`
		Erased          bool    `json:"erased,omitempty"` // the customer's account is deleted: nobody is to be written to
		Email           string  `json:"email"`
		AccessToken     string  `json:"accessToken,omitempty"` // lets a guest read the order
		ShippingAddress Address `json:"shippingAddress"`
	}
	ContactsReply struct {
		Contacts []Contact `json:"contacts" nullable:"false"`
	}
)
