package view

// Level is a SKU's stock at a location.
type Level struct {
	Location string `json:"location"`
	OnHand   int64  `json:"onHand"`
	Reserved int64  `json:"reserved"`
}

// StockEvent is an event in the history of a SKU's stock at a location.
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
