// Package listing is the catalogue as customers browse it: a projection of the log in memory, with
// filters, orders, facets and the tree of categories. It forgets nothing that the log has and knows
// nothing that the log has not.
package listing

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// Entry is a product as it is listed. It is never changed once made.
type Entry struct {
	product.Product
	Seq   uint64 // version of the product
	Order uint64 // grows with creation
	From  product.Variant
	title string // folded, for sorting
}

// Index is the projection. Its methods may be called at the same time.
type Index struct {
	mu         sync.RWMutex
	entries    map[string]*Entry // by id
	handles    map[string]*Entry
	skus       map[string]place
	categories map[string]Node
	created    uint64
	sorted     map[Sort][]*Entry   // made when asked for, dropped at each change
	lines      map[string][]string // the same: see ancestors
}

type place struct {
	entry   *Entry
	variant int
}

// Node is a category with the version it has.
type Node struct {
	product.Category
	Seq uint64
}

// New makes an empty index.
func New() *Index {
	return &Index{
		entries: map[string]*Entry{}, handles: map[string]*Entry{}, skus: map[string]place{},
		categories: map[string]Node{}, sorted: map[Sort][]*Entry{},
	}
}

// Apply takes in the next change of the log.
func (x *Index) Apply(c product.Change) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c.Category != nil {
		if c.Deleted {
			delete(x.categories, c.Category.Handle)
		} else {
			x.categories[c.Category.Handle] = Node{*c.Category, c.Seq}
		}
		x.lines = nil
		return
	}
	clear(x.sorted)
	id := c.Event.Aggregate
	before := x.entries[id]
	if before != nil {
		delete(x.handles, before.Handle)
		for _, v := range before.Variants {
			delete(x.skus, v.SKU)
		}
		delete(x.entries, id)
	}
	if c.Deleted {
		return
	}
	e := &Entry{Product: *c.Product, Seq: c.Seq, From: c.Product.Cheapest(), title: strings.ToLower(c.Product.Title)}
	if before != nil {
		e.Order, e.CreatedAt = before.Order, before.CreatedAt
	} else {
		x.created++
		e.Order = x.created
	}
	x.entries[id], x.handles[e.Handle] = e, e
	for i, v := range e.Variants {
		x.skus[v.SKU] = place{e, i}
	}
}

// Get finds a product by id, else by handle; nil if there is none.
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
	p, ok := x.skus[sku]
	if !ok {
		return nil, v, false
	}
	return p.entry, p.entry.Variants[p.variant], true
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

// Sort names an order of the list.
type Sort string

// The orders. Without search words, Relevance is Newest.
const (
	Relevance Sort = "relevance"
	PriceUp   Sort = "price"
	PriceDown Sort = "-price"
	Newest    Sort = "newest"
	Title     Sort = "title"
)

// key is a place in an order; keys of different entries differ.
type key struct {
	Sort     Sort    `json:"o"`
	Currency string  `json:"c,omitempty"`
	Score    float64 `json:"s,omitempty"`
	Amount   int64   `json:"a,omitempty"`
	Title    string  `json:"t,omitempty"`
	Order    uint64  `json:"n"`
}

func (e *Entry) key(s Sort, score float64) key {
	k := key{Sort: s, Order: e.Order}
	switch s {
	case Relevance:
		k.Score = score
	case PriceUp, PriceDown:
		k.Amount, k.Currency = e.From.Price.Amount, e.From.Price.Currency
	case Title:
		k.Title = e.title
	}
	return k
}

// compare orders keys of one order. Prices compare within a currency; of equals the newer comes first.
func (k key) compare(o key) int {
	up := 1
	if k.Sort == PriceDown {
		up = -1
	}
	return cmp.Or(
		cmp.Compare(o.Score, k.Score), cmp.Compare(k.Currency, o.Currency), up*cmp.Compare(k.Amount, o.Amount),
		cmp.Compare(k.Title, o.Title), cmp.Compare(o.Order, k.Order),
	)
}

// ordered gives all entries in an order that needs no scores; x.mu is held for writing.
func (x *Index) ordered(s Sort) []*Entry {
	if s == Relevance {
		s = Newest
	}
	list, ok := x.sorted[s]
	if !ok {
		list = make([]*Entry, 0, len(x.entries))
		for _, e := range x.entries {
			list = append(list, e)
		}
		slices.SortFunc(list, func(a, b *Entry) int { return a.key(s, 0).compare(b.key(s, 0)) })
		x.sorted[s] = list
	}
	return list
}

// Price is the lowest price of the product's variants.
func (e *Entry) Price() money.Money { return e.From.Price }
