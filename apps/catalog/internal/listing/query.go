package listing

import (
	"cmp"
	"slices"
	"strings"
)

// Query asks for a page of the list. Zero values do not filter.
type Query struct {
	Hits     map[string]float64 // ids of the products that match the search words, with scores; nil: no search
	Category string             // handle: products of it, or of a category below it
	Brand    string             // in any case
	MinPrice int64              // of the cheapest variant, minor units of Prices
	MaxPrice *int64
	Prices   string            // the currency of MinPrice, MaxPrice and the price facet
	Currency string            // only products priced in it
	InStock  func(*Entry) bool // nil: all
	Status   string            // empty: any
	Sort     Sort
	After    *Position // nil: from the start
	Limit    int
}

// Position is where a page ended. The next page continues there.
type Position struct{ key }

// Fits tells whether the position belongs to this sort order.
func (p Position) Fits(s Sort) bool { return p.Sort == s }

// Page is the answer to a query.
type Page struct {
	Entries []*Entry
	Total   int
	Facets  Facets
	Next    *Position // nil on the last page
}

// List answers a query.
func (x *Index) List(q Query) Page {
	x.mu.Lock() // the sorted lists may have to be made
	list := x.ordered(q.Sort)
	ancestors := x.ancestorsOf()
	x.mu.Unlock()

	var matched []*Entry
	counter := newFacetCounter()
	for _, e := range list {
		if q.matches(e) && counter.add(q, e, ancestors) {
			matched = append(matched, e)
		}
	}
	if q.Sort == Relevance && q.Hits != nil {
		slices.SortFunc(matched, func(a, b *Entry) int { return q.key(a).compare(q.key(b)) })
	}
	page := Page{Total: len(matched), Facets: counter.facets(), Entries: []*Entry{}}
	start := 0
	if q.After != nil {
		start, _ = slices.BinarySearchFunc(matched, q.After.key, func(e *Entry, after key) int {
			return cmp.Or(q.key(e).compare(after), -1) // the page begins behind the position
		})
	}
	end := min(start+q.Limit, len(matched))
	page.Entries = append(page.Entries, matched[start:end]...)
	if end < len(matched) && end > start {
		page.Next = &Position{q.key(matched[end-1])}
	}
	return page
}

func (q Query) key(e *Entry) key { return e.key(q.Sort, q.Hits[e.ID]) }

// matches applies the filters that have no facet.
func (q Query) matches(e *Entry) bool {
	if q.Hits != nil {
		if _, hit := q.Hits[e.ID]; !hit {
			return false
		}
	}
	return (q.Status == "" || e.Status == q.Status) && (q.Currency == "" || e.Price().Currency == q.Currency) &&
		(q.InStock == nil || q.InStock(e))
}

// matchesFacets applies each filter that has a facet. within has the categories that the entry is in or below.
func (q Query) matchesFacets(e *Entry, within map[string]bool) (category, brand, price bool) {
	category = q.Category == "" || within[q.Category]
	brand = q.Brand == "" || strings.EqualFold(q.Brand, e.Brand)
	price = q.MinPrice <= 0 && q.MaxPrice == nil
	if amount := e.Price().Amount; !price && e.Price().Currency == q.Prices {
		price = amount >= q.MinPrice && (q.MaxPrice == nil || amount <= *q.MaxPrice)
	}
	return category, brand, price
}
