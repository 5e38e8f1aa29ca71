package contract

// Types of the events on TopicStock. The aggregate is "sku/<SKU>" of the log "stock-<location>", and the sequence
// numbers of an aggregate have no gap. The data is a StockMovement.
const (
	StockReceived = "stock.received"
	StockAdjusted = "stock.adjusted"
	StockReserved = "stock.reserved"
	StockReleased = "stock.released"
	StockShipped  = "stock.shipped"
	StockReturned = "stock.returned"
)

// StockMovement is a change of the level of one SKU at one location.
type StockMovement struct {
	Quantity int64  `json:"quantity"`         // signed for adjustments, else positive
	Order    string `json:"order,omitempty"`  // the id of the order that has reserved, bought or returned the goods
	Reason   string `json:"reason,omitempty"` // of an adjustment
	ID       string `json:"id,omitempty"`     // of the adjustment, shipment or return
}
