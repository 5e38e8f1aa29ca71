package product

import (
	"fmt"
	"strings"

	"haberdash/internal/commitlog"
)

// State is any aggregate of the catalogue's log: a product (its id), a category ("category/<handle>"),
// the owner of a handle ("handle/<handle>") or SKU ("sku/<SKU>"), or the receipts not yet taken into
// stock ("receipts").
type State struct {
	Product  *Product          `json:"product,omitempty"`
	Category *Category         `json:"category,omitempty"`
	Owner    string            `json:"owner,omitempty"`   // product id; empty: free
	Counted  int64             `json:"counted,omitempty"` // the quantity of the SKU that imports have received
	Pending  map[string][]Move `json:"pending,omitempty"` // receipt id → moves
}

// Types of the published events. The data of product events is a Product, that of category events a
// Category, deletions included: what was deleted.
const (
	Created         = "product.created"
	Updated         = "product.updated"
	Deleted         = "product.deleted"
	CategoryCreated = "category.created"
	CategoryUpdated = "category.updated"
	CategoryDeleted = "category.deleted"
)

// Index events.
const (
	taken   = "owner.taken"     // data: ownership
	freed   = "owner.freed"     // no data
	counted = "sku.counted"     // data: count
	opened  = "receipt.opened"  // data: Receipt
	settled = "receipt.settled" // data: Receipt, without moves
)

type ownership struct {
	Product string `json:"product"`
}

type count struct {
	Delta int64 `json:"delta"` // change of the quantity received by imports
}

const receiptsID = "receipts"

func categoryID(handle string) string { return "category/" + handle }
func handleID(handle string) string   { return "handle/" + handle }
func skuID(sku string) string         { return "sku/" + sku }

// Model folds the catalogue's log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(id string, s State, e commitlog.Event) (State, error) {
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
	case taken:
		var o ownership
		err := e.Decode(&o)
		s.Owner = o.Product
		return s, err
	case freed:
		s.Owner = ""
		return s, nil
	case counted:
		var c count
		err := e.Decode(&c)
		s.Counted += c.Delta
		return s, err
	case opened, settled:
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
	for id, moves := range s.Pending {
		pending[id] = moves
	}
	if e.Type == opened {
		pending[r.ID] = r.Moves
	} else {
		delete(pending, r.ID)
	}
	return State{Pending: pending}, nil
}

// Change is what a projection learns of an event. One of Product and Category is set.
type Change struct {
	Product  *Product
	Category *Category
	Deleted  bool
	Created  bool
	Seq      uint64
	Event    commitlog.Event
}

// ChangeOf reads a published event; ok is false for an index event.
func ChangeOf(e commitlog.Event) (c Change, ok bool, err error) {
	if e.Internal {
		return c, false, nil
	}
	c = Change{Seq: e.Seq, Event: e, Deleted: e.Type == Deleted || e.Type == CategoryDeleted, Created: e.Type == Created}
	switch {
	case strings.HasPrefix(e.Type, "product."):
		c.Product = &Product{}
		err = e.Decode(c.Product)
		c.Product.CreatedAt, c.Product.UpdatedAt = e.At, e.At // a projection keeps the first
	case strings.HasPrefix(e.Type, "category."):
		c.Category = &Category{}
		err = e.Decode(c.Category)
	default:
		return c, false, nil
	}
	return c, err == nil, err
}
