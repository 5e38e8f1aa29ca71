package listing

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"haberdash/apps/catalog/internal/product"
)

// Query asks for a page of the list. Zero values do not filter.
type Query struct {
	Hits     map[string]float64 // ids that the search words match, with scores; nil: no search
	Category string             // handle: products of it or of a category below it
	Brand    string             // without regard to case
	MinPrice int64              // of the cheapest variant, minor units of Prices
	MaxPrice *int64
	Prices   string            // the currency in which MinPrice, MaxPrice and the price facet count
	Currency string            // only products priced in it
	InStock  func(*Entry) bool // nil: all
	Status   string            // empty: any
	Sort     Sort
	After    *Position // nil: from the start
	Limit    int
}

// Position is where a page ended, for the next to go on from.
type Position struct{ key }

// Fits reports whether the position is one of this order.
func (p Position) Fits(s Sort) bool { return p.Sort == s }

// Count is a value of a facet and how many products the list would have with it as the filter.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Facets count the products under each value, all filters but the facet's own applied.
type Facets struct {
	Category, Brand, Price []Count
}

// Page is the answer to a query.
type Page struct {
	Entries []*Entry
	Total   int
	Facets  Facets
	Next    *Position // nil on the last page
}

// maxFacet is how many values a facet lists, the most frequent first.
const maxFacet = 100

// priceSteps are the lower bounds of the price facet's ranges, in minor units.
var priceSteps = []int64{0, 1000, 2500, 5000, 10000, 25000, 50000}

// priceRange names the range of an amount as MinPrice and MaxPrice would give it: "1000-2499"; the last
// is open: "50000-".
func priceRange(i int) string {
	low := strconv.FormatInt(priceSteps[i], 10) + "-"
	if i+1 < len(priceSteps) {
		low += strconv.FormatInt(priceSteps[i+1]-1, 10)
	}
	return low
}

// List answers a query.
func (x *Index) List(q Query) Page {
	x.mu.Lock() // the sorted lists may have to be made
	list := x.ordered(q.Sort)
	up := x.ancestors()
	x.mu.Unlock()

	var matched []*Entry
	tally := newTally()
	for _, e := range list {
		if q.takes(e) && tally.count(q, e, up) {
			matched = append(matched, e)
		}
	}
	if q.Sort == Relevance && q.Hits != nil {
		slices.SortFunc(matched, func(a, b *Entry) int { return q.key(a).compare(q.key(b)) })
	}
	page := Page{Total: len(matched), Facets: tally.facets(), Entries: []*Entry{}}
	start := 0
	if q.After != nil {
		start, _ = slices.BinarySearchFunc(matched, q.After.key, func(e *Entry, after key) int {
			return cmp.Or(q.key(e).compare(after), -1) // the place itself is behind us
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

// takes applies the filters that are no facets.
func (q Query) takes(e *Entry) bool {
	if q.Hits != nil {
		if _, hit := q.Hits[e.ID]; !hit {
			return false
		}
	}
	return (q.Status == "" || e.Status == q.Status) && (q.Currency == "" || e.Price().Currency == q.Currency) &&
		(q.InStock == nil || q.InStock(e))
}

type tally struct {
	category, brand map[string]int
	price           []int
}

func newTally() *tally {
	return &tally{map[string]int{}, map[string]int{}, make([]int, len(priceSteps))}
}

// count counts an entry for each facet whose other filters it passes, and says whether it passes all.
func (t *tally) count(q Query, e *Entry, up map[string][]string) bool {
	within := map[string]bool{}
	for _, c := range e.Categories {
		for _, handle := range up[c] {
			within[handle] = true
		}
	}
	category := q.Category == "" || within[q.Category]
	brand := q.Brand == "" || strings.EqualFold(q.Brand, e.Brand)
	amount, comparable := e.Price().Amount, e.Price().Currency == q.Prices
	price := q.MinPrice <= 0 && q.MaxPrice == nil ||
		comparable && amount >= q.MinPrice && (q.MaxPrice == nil || amount <= *q.MaxPrice)
	if brand && price {
		for handle := range within {
			t.category[handle]++
		}
	}
	if category && price && e.Brand != "" {
		t.brand[e.Brand]++
	}
	if category && brand && comparable {
		i, exact := slices.BinarySearch(priceSteps, amount)
		if !exact {
			i--
		}
		t.price[i]++
	}
	return category && brand && price
}

func (t *tally) facets() Facets {
	f := Facets{Category: top(t.category), Brand: top(t.brand), Price: []Count{}}
	for i, n := range t.price {
		if n > 0 {
			f.Price = append(f.Price, Count{priceRange(i), n})
		}
	}
	return f
}

func top(counts map[string]int) []Count {
	list := make([]Count, 0, len(counts))
	for value, n := range counts {
		list = append(list, Count{value, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), maxFacet)]
}

// active reports whether customers see the entry.
func (e *Entry) active() bool { return e.Status == product.Active }
