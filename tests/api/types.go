package api

import (
	"encoding/json"
	"time"
)

// Money is an amount in minor units.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// List is a page of items.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"nextCursor"`
}

// Product is a product. In a list it has fewer members, and a single price.
type Product struct {
	ID          string    `json:"id"`
	Handle      string    `json:"handle"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Brand       string    `json:"brand"`
	Categories  []string  `json:"categories"`
	Tags        []string  `json:"tags"`
	Options     []Option  `json:"options"`
	Variants    []Variant `json:"variants"`
	Images      []Image   `json:"images"`
	Status      string    `json:"status"`

	ETag string `json:"-"`
}

// Option is a property in which variants differ, such as the size.
type Option struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Variant is a variant of a product, which has a SKU and a price.
type Variant struct {
	SKU            string          `json:"sku"`
	Title          string          `json:"title"`
	Options        json.RawMessage `json:"options"`
	Price          Money           `json:"price"`
	CompareAtPrice *Money          `json:"compareAtPrice,omitempty"`
	Barcode        string          `json:"barcode,omitempty"`
	Available      int64           `json:"available"`
	InStock        bool            `json:"inStock"`
}

// Image is a picture.
type Image struct {
	URL string `json:"url"`
	Alt string `json:"alt"`
}

// Found is a page of a product search.
type Found struct {
	Items []struct {
		ID      string `json:"id"`
		Handle  string `json:"handle"`
		Title   string `json:"title"`
		Brand   string `json:"brand"`
		Price   Money  `json:"price"`
		InStock bool   `json:"inStock"`
	} `json:"items"`
	NextCursor *string            `json:"nextCursor"`
	Total      int64              `json:"total"`
	Facets     map[string][]Facet `json:"facets"`
}

// Facet counts the products that share a value.
type Facet struct {
	Value json.RawMessage `json:"value"`
	Count int64           `json:"count"`
}

// Imported has the numbers of products that an import has created, updated and left unchanged, and its errors.
type Imported struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
	Errors    []struct {
		Line   int    `json:"line"`
		Handle string `json:"handle"`
		Reason string `json:"reason"`
	} `json:"errors"`
}

// Stock is the stock of a SKU at all locations.
type Stock struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand"`
	Reserved  int64  `json:"reserved"`
	Available int64  `json:"available"`
}

// Item is a quantity of a SKU.
type Item struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Cart is a cart with its quote.
type Cart struct {
	ID       string `json:"id"`
	Version  int64  `json:"version"`
	Currency string `json:"currency"`
	Items    []struct {
		SKU       string `json:"sku"`
		Title     string `json:"title"`
		Quantity  int64  `json:"quantity"`
		UnitPrice Money  `json:"unitPrice"`
		Total     Money  `json:"total"`
	} `json:"items"`
	Subtotal Money `json:"subtotal"`
	Discount Money `json:"discount"`
	Shipping Money `json:"shipping"`
	Tax      Money `json:"tax"`
	Total    Money `json:"total"`

	ETag string `json:"-"`
}

// ShippingOption is a shipping method with its price.
type ShippingOption struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Price    Money  `json:"price"`
	Estimate string `json:"estimate"`
}

// Address is a postal address.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

// Placement is the body of POST /orders.
type Placement struct {
	CartID          string  `json:"cartId"`
	Email           string  `json:"email"`
	ShippingAddress Address `json:"shippingAddress"`
	ShippingOption  string  `json:"shippingOption,omitempty"`
	Payment         Payment `json:"payment"`
}

// Payment is a method and its token.
type Payment struct {
	Method string `json:"method"`
	Token  string `json:"token"`
}

// Order is an order. Only the answer to a guest who places it has an AccessToken.
type Order struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	Status string `json:"status"`
	Email  string `json:"email"`
	Lines  []struct {
		SKU       string `json:"sku"`
		Title     string `json:"title"`
		Quantity  int64  `json:"quantity"`
		UnitPrice Money  `json:"unitPrice"`
		Total     Money  `json:"total"`
	} `json:"lines"`
	Subtotal Money `json:"subtotal"`
	Discount Money `json:"discount"`
	Shipping Money `json:"shipping"`
	Tax      Money `json:"tax"`
	Total    Money `json:"total"`
	Payment  struct {
		Status     string `json:"status"`
		Authorized Money  `json:"authorized"`
		Captured   Money  `json:"captured"`
		Refunded   Money  `json:"refunded"`
	} `json:"payment"`
	ShippingAddress Address      `json:"shippingAddress"`
	Fulfilments     []Fulfilment `json:"fulfilments"`
	Returns         []Return     `json:"returns"`
	CreatedAt       time.Time    `json:"createdAt"`
	Version         int64        `json:"version"`
	AccessToken     string       `json:"accessToken"`
}

// Fulfilment is a parcel.
type Fulfilment struct {
	ID             string `json:"id"`
	Lines          []Item `json:"lines"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
	Status         string `json:"status"`
}

// Return is a return of lines.
type Return struct {
	ID     string `json:"id"`
	Lines  []Item `json:"lines"`
	Status string `json:"status"`
}

// Event is an event in the history of an order.
type Event struct {
	Seq  int64           `json:"seq"`
	Type string          `json:"type"`
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"data"`
}

// User is an account.
type User struct {
	ID    string   `json:"id"`
	Email string   `json:"email"`
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

// Session is the answer to a sign-in.
type Session struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int64  `json:"expiresIn"`
	User         User   `json:"user"`
}

// OutOfStockLine is a line in the problem out-of-stock.
type OutOfStockLine struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}
