package product

import (
	"fmt"
	"maps"
	"strings"

	"haberdash/internal/commitlog"
)

// State is any aggregate of the catalogue's log: a product, a category, the owner of a handle or SKU, or the open
// receipts.
type State struct {
	Product  *Product          `json:"product,omitempty"`
	Category *Category         `json:"category,omitempty"`
	Owner    string            `json:"owner,omitempty"`   // product id; empty: the name is free
	Counted  int64             `json:"counted,omitempty"` // the quantity of the SKU that imports have received
	Pending  map[string][]Move `json:"pending,omitempty"` // receipt id → moves
}

// ReceiptsID is the aggregate of the open receipts. The id of a product's aggregate is the product's.
const ReceiptsID = "receipts"

// CategoryID is the aggregate of a category.
func CategoryID(handle string) string { return "category/" + handle }

// HandleID is the aggregate that knows which product owns a handle.
func HandleID(handle string) string { return "handle/" + handle }

// SKUID is the aggregate that knows which product owns a SKU, and what imports have received of it.
func SKUID(sku string) string { return "sku/" + sku }

// Model folds the catalogue's log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(_ string, s State, e commitlog.Event) (State, error) {
	switch e.Type {
	case Created, Updated:
		var p Product
		if err := e.Decode(&p); err != nil {
			return s, err
		}
		p.CreatedAt, p.UpdatedAt = e.At, e.At
		if s.Product != nil && e.Type == Updated {
			p.CreatedAt = s.Product.CreatedAt
		}
		return State{Product: &p}, nil
	case CategoryCreated, CategoryUpdated:
		var c Category
		if err := e.Decode(&c); err != nil {
			return s, err
		}
		return State{Category: &c}, nil
	case Deleted, CategoryDeleted:
		return State{}, nil
	case NameTaken:
		var o Ownership
		err := e.Decode(&o)
		s.Owner = o.Product
		return s, err
	case NameFreed:
		s.Owner = ""
		return s, nil
	case SKUCounted:
		var c Count
		err := e.Decode(&c)
		s.Counted += c.Delta
		return s, err
	case ReceiptOpened, ReceiptClosed:
		return applyReceipt(s, e)
	}
	return s, fmt.Errorf("unknown event %s", e.Type)
}

func applyReceipt(s State, e commitlog.Event) (State, error) {
	var r Receipt
	if err := e.Decode(&r); err != nil {
		return s, err
	}
	pending := make(map[string][]Move, len(s.Pending)+1)
	maps.Copy(pending, s.Pending)
	if e.Type == ReceiptOpened {
		pending[r.ID] = r.Moves
	} else {
		delete(pending, r.ID)
	}
	return State{Pending: pending}, nil
}

// Change is a published event as projections apply it. Either Product or Category is set.
type Change struct {
	ID       string // of the product's aggregate
	Product  *Product
	Category *Category
	Deleted  bool
	Seq      uint64 // version of the product or category
}

// ChangeOf decodes a published event; ok is false for an internal event. CreatedAt of a product is the time of this
// event: a projection keeps the first.
func ChangeOf(e commitlog.Event) (c Change, ok bool, err error) {
	if e.Internal {
		return c, false, nil
	}
	c = Change{ID: e.Aggregate, Seq: e.Seq, Deleted: e.Type == Deleted || e.Type == CategoryDeleted}
	switch {
	case strings.HasPrefix(e.Type, "product."):
		c.Product = &Product{}
		err = e.Decode(c.Product)
		c.Product.CreatedAt, c.Product.UpdatedAt = e.At, e.At
	case strings.HasPrefix(e.Type, "category."):
		c.Category = &Category{}
		err = e.Decode(c.Category)
	default:
		return c, false, nil
	}
	return c, err == nil, err
}
