// Package view has the types of the public API that the chaos tests read, with all members that the checker needs.
// tests/api has shorter types.
package view

import (
	"encoding/json"
	"time"

	"haberdash/tests/api"
)

// Order is an order.
type Order struct {
	ID          string       `json:"id"`
	Number      string       `json:"number"`
	Status      string       `json:"status"`
	Email       string       `json:"email"`
	Lines       []Line       `json:"lines"`
	Subtotal    api.Money    `json:"subtotal"`
	Discount    api.Money    `json:"discount"`
	Shipping    api.Money    `json:"shipping"`
	Tax         api.Money    `json:"tax"`
	Total       api.Money    `json:"total"`
	Payment     Payment      `json:"payment"`
	Fulfilments []Fulfilment `json:"fulfilments"`
	Returns     []Return     `json:"returns"`
	Version     int64        `json:"version"`
	AccessToken string       `json:"accessToken"`
}

// Line is a line of an order.
type Line struct {
	SKU       string    `json:"sku"`
	Quantity  int64     `json:"quantity"`
	UnitPrice api.Money `json:"unitPrice"`
	Total     api.Money `json:"total"`
	Discount  api.Money `json:"discount"`
	Tax       api.Money `json:"tax"`
}

// Payment has the amounts of an order that are authorised, captured and refunded.
type Payment struct {
	Status     string    `json:"status"`
	Authorized api.Money `json:"authorized"`
	Captured   api.Money `json:"captured"`
	Refunded   api.Money `json:"refunded"`
}

// Fulfilment is a parcel. Amount is its share of the order's total.
type Fulfilment struct {
	ID     string     `json:"id"`
	Lines  []api.Item `json:"lines"`
	Status string     `json:"status"`
	Amount api.Money  `json:"amount"`
}

// Return is a return of lines. Refunded is missing until the money is refunded.
type Return struct {
	ID       string     `json:"id"`
	Lines    []api.Item `json:"lines"`
	Status   string     `json:"status"`
	Refunded *api.Money `json:"refunded"`
}

// Event is an event in the history of an order, with the members of its data that the checker needs.
type Event struct {
	Seq  int64     `json:"seq"`
	Type string    `json:"type"`
	At   time.Time `json:"at"`
	Data struct {
		ID      string          `json:"id"`
		For     string          `json:"for"`
		Restock bool            `json:"restock"`
		Amount  json.RawMessage `json:"amount"`
		Refund  struct {
			ID     string `json:"id"`
			Amount int64  `json:"amount"`
		} `json:"refund"`
		CartID string `json:"cartId"`
	} `json:"data"`
}

// Money returns the amount of a payment event in minor units, and 0 for other events.
func (e Event) Money() int64 {
	var m api.Money
	_ = json.Unmarshal(e.Data.Amount, &m) // the amount of another event may be of another type, or missing
	return m.Amount
}

// Items returns the quantity of each SKU that the order has.
func (o Order) Items() []api.Item {
	var items []api.Item
	for _, l := range o.Lines {
		items = append(items, api.Item{SKU: l.SKU, Quantity: l.Quantity})
	}
	return SumItems(items)
}

// SumItems returns the items with one entry for each SKU.
func SumItems(items []api.Item) (sums []api.Item) {
	at := map[string]int{}
	for _, i := range items {
		j, seen := at[i.SKU]
		if !seen {
			j = len(sums)
			at[i.SKU], sums = j, append(sums, api.Item{SKU: i.SKU})
		}
		sums[j].Quantity += i.Quantity
	}
	return sums
}
