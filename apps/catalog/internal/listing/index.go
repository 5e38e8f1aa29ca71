// Package listing is the read model of the catalogue in memory: the products as customers browse them, with filters,
// sort orders, facets and the tree of categories. An Index holds them, and a Listing keeps an Index up to date with the
// catalogue's log.
package listing

import (
	"strings"
	"sync"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// Entry is a product as it is listed. It does not change: a changed product gets a new entry.
type Entry struct {
	product.Product
	Seq   uint64 // version of the product
	Order uint64 // grows with each product that is created
	From  product.Variant
	title string // in small letters, for sorting
}

// Price is the lowest price of the product's variants.
func (e *Entry) Price() money.Money { return e.From.Price }

// active tells whether customers see the product.
func (e *Entry) active() bool { return e.Status == product.Active }

// Index lists the products and categories of the changes that were applied to it. It is safe for concurrent use.
type Index struct {
	mu         sync.RWMutex
	entries    map[string]*Entry // by id
	handles    map[string]*Entry
	skus       map[string]variantRef
	categories map[string]Node
	created    uint64
	revision   uint64
	sorted     map[Sort][]*Entry   // made when a list is asked for, dropped at each change
	ancestors  map[string][]string // likewise: see ancestorsOf
}

type variantRef struct {
	entry   *Entry
	variant int
}

// Node is a category with its version.
type Node struct {
	product.Category
	Seq uint64
}

// New makes an empty index.
func New() *Index {
	return &Index{
		entries: map[string]*Entry{}, handles: map[string]*Entry{}, skus: map[string]variantRef{},
		categories: map[string]Node{}, sorted: map[Sort][]*Entry{},
	}
}

// Apply applies the next change of the log.
func (x *Index) Apply(c product.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.Category != nil {
		x.applyCategory(c)
		return
	}
	clear(x.sorted)
	before := x.entries[c.ID]
	if before != nil {
		delete(x.handles, before.Handle)
		for _, v := range before.Variants {
			delete(x.skus, v.SKU)
		}
		delete(x.entries, c.ID)
	}
	if c.Deleted {
		return
	}
	x.revision++
	e := &Entry{Product: *c.Product, Seq: c.Seq, From: c.Product.Cheapest(), title: strings.ToLower(c.Product.Title)}
	if before != nil {
		e.Order, e.CreatedAt = before.Order, before.CreatedAt
	} else {
		x.created++
		e.Order = x.created
	}
	x.entries[c.ID], x.handles[e.Handle] = e, e
	for i, v := range e.Variants {
		x.skus[v.SKU] = variantRef{e, i}
	}
}

func (x *Index) applyCategory(c product.Change) {
	if c.Deleted {
		delete(x.categories, c.Category.Handle)
	} else {
		x.categories[c.Category.Handle] = Node{*c.Category, c.Seq}
	}
	x.ancestors = nil
}

// Get finds a product by its id or handle; nil if there is none.
func (x *Index) Get(idOrHandle string) *Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if e := x.entries[idOrHandle]; e != nil {
		return e
	}
	return x.handles[idOrHandle]
}

// Variant finds a variant by its SKU.
func (x *Index) Variant(sku string) (e *Entry, v product.Variant, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ref, ok := x.skus[sku]
	if !ok {
		return nil, v, false
	}
	return ref.entry, ref.entry.Variants[ref.variant], true
}

// SKUs lists the SKUs of all products, in no order.
func (x *Index) SKUs() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	skus := make([]string, 0, len(x.skus))
	for sku := range x.skus {
		skus = append(skus, sku)
	}
	return skus
}

// Revision grows when a product is created or changed, so with each new SKU.
func (x *Index) Revision() uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.revision
}
