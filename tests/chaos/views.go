package chaos

import (
	"encoding/json"
	"time"

	"haberdash/tests/api"
)

// Order is an order as the public API shows it, in full.
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

// Payment is where an order's money is.
type Payment struct {
	Status     string    `json:"status"`
	Authorized api.Money `json:"authorized"`
	Captured   api.Money `json:"captured"`
	Refunded   api.Money `json:"refunded"`
}

// Fulfilment is a parcel and its share of the total.
type Fulfilment struct {
	ID     string     `json:"id"`
	Lines  []api.Item `json:"lines"`
	Status string     `json:"status"`
	Amount api.Money  `json:"amount"`
}

// Return is goods on their way back; Refunded is missing until the money is given back.
type Return struct {
	ID       string     `json:"id"`
	Lines    []api.Item `json:"lines"`
	Status   string     `json:"status"`
	Refunded *api.Money `json:"refunded"`
}

// Event is a step in an order's history, with what this package reads of its data.
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

// money of a payment's event.
func (e Event) money() int64 {
	var m api.Money
	_ = json.Unmarshal(e.Data.Amount, &m) // other events have no amount, or another kind of one
	return m.Amount
}

// items sums an order's lines by SKU.
func (o Order) items() []api.Item {
	var items []api.Item
	for _, l := range o.Lines {
		items = append(items, api.Item{SKU: l.SKU, Quantity: l.Quantity})
	}
	return sumItems(items)
}

func sumItems(items []api.Item) (sums []api.Item) {
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

// sent are the parcels that have left.
func (o Order) sent() (list []Fulfilment) {
	for _, f := range o.Fulfilments {
		if f.Status == "shipped" || f.Status == "delivered" {
			list = append(list, f)
		}
	}
	return list
}

// Level is a SKU's stock at a location.
type Level struct {
	Location string `json:"location"`
	OnHand   int64  `json:"onHand"`
	Reserved int64  `json:"reserved"`
}

// StockEvent is a step in the history of a SKU's stock at a location.
type StockEvent struct {
	Seq      int64  `json:"seq"`
	Type     string `json:"type"`
	Location string `json:"location"`
	Data     struct {
		Quantity int64  `json:"quantity"`
		Order    string `json:"order"`
		Reason   string `json:"reason"`
		ID       string `json:"id"`
	} `json:"data"`
}
