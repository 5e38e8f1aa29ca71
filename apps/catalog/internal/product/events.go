package product

import "haberdash/internal/contract"

// Types of the published events. The data of a product event is the Product, and that of a category event the Category.
// A deletion has the deleted one. The data has the shape that internal/contract promises, which a test compares.
const (
	Created         = contract.ProductCreated
	Updated         = contract.ProductUpdated
	Deleted         = contract.ProductDeleted
	CategoryCreated = contract.CategoryCreated
	CategoryUpdated = contract.CategoryUpdated
	CategoryDeleted = contract.CategoryDeleted
)

// Types of the internal events, which are not published.
const (
	NameTaken     = "owner.taken" // a handle or SKU; data: Ownership
	NameFreed     = "owner.freed" // no data
	SKUCounted    = "sku.counted" // data: Count
	ReceiptOpened = "receipt.opened"
	ReceiptClosed = "receipt.settled" // data: Receipt, without moves
)

// Ownership is the data of NameTaken.
type Ownership struct {
	Product string `json:"product"`
}

// Count is the data of SKUCounted: a change of the quantity that imports have received.
type Count struct {
	Delta int64 `json:"delta"`
}

// Receipt is stock that an import has counted and the stock must still receive. It is committed together with the
// products, and its id makes receiving it idempotent: a crash in between loses nothing and doubles nothing.
type Receipt struct {
	ID    string `json:"id"`
	Moves []Move `json:"moves,omitempty"`
}

// Move is a change of one SKU's stock.
type Move struct {
	SKU   string `json:"sku"`
	Delta int64  `json:"delta"`
}
