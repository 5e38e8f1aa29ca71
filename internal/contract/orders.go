package contract

import "haberdash/internal/money"

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

// OrderFact is what other services learn of an order from its confirmation.
type OrderFact struct {
	OrderID         string      `json:"orderId"`
	Number          string      `json:"number"`
	Customer        string      `json:"customer,omitempty"` // user id, empty for a guest
	Email           string      `json:"email"`
	AccessToken     string      `json:"accessToken,omitempty"` // lets a guest read the order; only in the confirmation
	CartID          string      `json:"cartId"`
	CartVersion     int64       `json:"cartVersion"`
	Lines           []OrderLine `json:"lines"`
	Subtotal        money.Money `json:"subtotal"`
	Discount        money.Money `json:"discount"`
	Shipping        money.Money `json:"shipping"`
	Tax             money.Money `json:"tax"`
	Total           money.Money `json:"total"`
	ShippingAddress Address     `json:"shippingAddress"`
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
	Email          string `json:"email"`
	ID             string `json:"id"` // of the fulfilment
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Lines          []Line `json:"lines"`
}
