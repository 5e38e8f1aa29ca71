package contract

import (
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Line is a quantity of one SKU.
type Line struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"128"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"1000000"`
}

type (
	// VariantsRequest asks for variants by SKU: POST catalog/internal/variants. The reply omits SKUs that are unknown or
	// not for sale.
	VariantsRequest struct {
		SKUs []string `json:"skus" minItems:"1" maxItems:"200"`
	}
	// Variant is an article that is for sale.
	Variant struct {
		SKU          string      `json:"sku"`
		ProductID    string      `json:"productId"`
		Handle       string      `json:"handle"`
		Title        string      `json:"title"` // of the product with its options, as lines of orders show it
		Image        string      `json:"image,omitempty"`
		Price        money.Money `json:"price"`
		Available    int64       `json:"available"`
		Taxable      bool        `json:"taxable"`
		ShippedGoods bool        `json:"shippedGoods"` // needs shipping
		Grams        int64       `json:"grams"`
	}
	// VariantsReply has the requested variants that are for sale, in no order.
	VariantsReply struct {
		Variants []Variant `json:"variants"`
	}
)

// Address is a postal address. Country is ISO 3166-1 alpha-2.
type Address struct {
	Name       string `json:"name" minLength:"1" maxLength:"200" pattern:"\\S"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200" pattern:"\\S"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"200" pattern:"\\S"`
	Region     string `json:"region,omitempty" maxLength:"100"`
	PostalCode string `json:"postalCode" minLength:"1" maxLength:"20" pattern:"\\S"`
	Country    string `json:"country" pattern:"^[A-Z]{2}$"`
}

type (
	// QuoteRequest asks what an order of a cart costs, at the prices that the buyer was last shown: POST
	// cart/internal/quotes. The catalogue compares these prices with its own when the goods are reserved (see
	// ReservationRequest). With Renew, the cart is first updated from the catalogue, and the request is refused if that
	// changes a price. The request has the access token of the caller, because a customer's cart is quoted to that
	// customer only. Problems: not-found (404), empty-cart (422), invalid-shipping-option (422); with Renew also
	// price-changed (409, lines) and cart-changed (409, skus).
	QuoteRequest struct {
		CartID          string  `json:"cartId" minLength:"1" maxLength:"128"`
		ShippingAddress Address `json:"shippingAddress"`
		ShippingOption  string  `json:"shippingOption,omitempty" maxLength:"64"`
		Renew           bool    `json:"renew,omitempty"`
	}
	// QuoteLine is the price of one line.
	QuoteLine struct {
		SKU       string      `json:"sku"`
		Title     string      `json:"title"`
		Quantity  int64       `json:"quantity"`
		UnitPrice money.Money `json:"unitPrice"`
		Taxable   bool        `json:"taxable"`
		Shipped   bool        `json:"shipped"`  // needs shipping
		Discount  money.Money `json:"discount"` // this line's share of the cart's discount
		Tax       money.Money `json:"tax"`      // this line's tax
		Total     money.Money `json:"total"`    // quantity × unitPrice, before discount and tax
	}
	// Quote is the price of a cart.
	Quote struct {
		CartID         string      `json:"cartId"`
		CartVersion    int64       `json:"cartVersion"`
		Lines          []QuoteLine `json:"lines"`
		Subtotal       money.Money `json:"subtotal"`
		Discount       money.Money `json:"discount"` // not negative: total = subtotal − discount + shipping + tax
		Shipping       money.Money `json:"shipping"`
		ShippingTax    money.Money `json:"shippingTax"` // part of tax
		Tax            money.Money `json:"tax"`
		Total          money.Money `json:"total"`
		ShippingOption string      `json:"shippingOption"`
		Coupons        []string    `json:"coupons"`
	}
)

type (
	// ReservationRequest asks to hold stock for an order: PUT catalog/internal/reservations/{orderId} reserves all lines
	// or none, and adds up repeated SKUs. A repetition returns the existing reservation. Problems: out-of-stock (409,
	// lines), unknown-sku (404); price-changed (409, lines) if Shown differs from the catalogue, and cart-changed (409,
	// skus) if an article is no longer sold. DELETE releases the stock, POST …/commit makes the reservation permanent,
	// POST …/ship removes shipped lines from stock, and POST …/return adds returned lines to stock.
	ReservationRequest struct {
		Lines     []Line    `json:"lines" minItems:"1" maxItems:"200"`
		Shown     []Shown   `json:"shown,omitempty" maxItems:"200"` // to the buyer; missing SKUs are not compared
		ExpiresAt time.Time `json:"expiresAt"`                      // when catalog asks orders for its OrderDecision
	}
	// Shown is the offer that an order was priced with.
	Shown struct {
		SKU       string      `json:"sku" minLength:"1" maxLength:"128"`
		UnitPrice money.Money `json:"unitPrice"`
		Taxable   bool        `json:"taxable"`
		Shipped   bool        `json:"shipped"` // needs shipping
	}
	// ShipmentRequest names lines that leave the stock, or come back to it.
	ShipmentRequest struct {
		ID    string `json:"id" minLength:"1" maxLength:"128"` // of the fulfilment or return: makes it idempotent
		Lines []Line `json:"lines" minItems:"1" maxItems:"200"`
	}
	// Reservation is the stock that is held for an order.
	Reservation struct {
		OrderID string `json:"orderId"`
		Status  string `json:"status" enum:"held,committed,released,shipped"`
		Lines   []Line `json:"lines"`
	}
)

// OutOfStockLine is a member of the out-of-stock problem.
type OutOfStockLine struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// PriceChangedLine is a member of the price-changed problem. Was and Now are equal if only the line's tax or shipping
// has changed.
type PriceChangedLine struct {
	SKU string      `json:"sku"`
	Was money.Money `json:"was"`
	Now money.Money `json:"now"`
}

// PriceChanged makes the problem for an order whose prices are not the catalogue's: price-changed (409).
func PriceChanged(lines []PriceChangedLine) *fault.Error {
	return fault.New(fault.Conflict, "price-changed", "Prices have changed since the cart was last looked at.").
		With("lines", lines)
}

// CartChanged makes the problem for an order of articles that are no longer sold: cart-changed (409).
func CartChanged(skus []string) *fault.Error {
	return fault.New(fault.Conflict, "cart-changed", "Something in the cart is no longer sold. Look at the cart again.").
		With("skus", skus)
}

// OrderDecision is the result of an order: GET orders/internal/orders/{id}/decision. It is "unknown" if the orders
// service has never recorded the order.
type OrderDecision struct {
	OrderID  string `json:"orderId"`
	Decision string `json:"decision" enum:"unknown,placing,confirmed,rejected,cancelled"`
}
