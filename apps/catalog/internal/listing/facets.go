package listing

import (
	"cmp"
	"slices"
	"strconv"
)

// Count is a value of a facet, and how many products the list would have with it as the filter.
type Count struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// Facets count the products of each value. All filters apply but the facet's own.
type Facets struct {
	Category, Brand, Price []Count
}

// maxFacet is how many values a facet lists, the most frequent first.
const maxFacet = 100

// priceSteps are the lower bounds of the price facet's ranges, in minor units.
var priceSteps = []int64{0, 1000, 2500, 5000, 10000, 25000, 50000}

// priceRange names a range by MinPrice and MaxPrice, such as "1000-2499". The last is open: "50000-".
func priceRange(i int) string {
	name := strconv.FormatInt(priceSteps[i], 10) + "-"
	if i+1 < len(priceSteps) {
		name += strconv.FormatInt(priceSteps[i+1]-1, 10)
	}
	return name
}

type facetCounter struct {
	category, brand map[string]int
	price           []int
}

func newFacetCounter() *facetCounter {
	return &facetCounter{map[string]int{}, map[string]int{}, make([]int, len(priceSteps))}
}

// add counts an entry in each facet whose other filters it passes, and tells whether it passes all of them.
func (c *facetCounter) add(q Query, e *Entry, ancestors map[string][]string) bool {
	within := map[string]bool{}
	for _, category := range e.Categories {
		for _, handle := range ancestors[category] {
			within[handle] = true
		}
	}
	category, brand, price := q.matchesFacets(e, within)
	if brand && price {
		for handle := range within {
			c.category[handle]++
		}
	}
	if category && price && e.Brand != "" {
		c.brand[e.Brand]++
	}
	if category && brand && e.Price().Currency == q.Prices {
		i, exact := slices.BinarySearch(priceSteps, e.Price().Amount)
		if !exact {
			i--
		}
		c.price[i]++
	}
	return category && brand && price
}

func (c *facetCounter) facets() Facets {
	f := Facets{Category: mostFrequent(c.category), Brand: mostFrequent(c.brand), Price: []Count{}}
	for i, n := range c.price {
		if n > 0 {
			f.Price = append(f.Price, Count{priceRange(i), n})
		}
	}
	return f
}

func mostFrequent(counts map[string]int) []Count {
	list := make([]Count, 0, len(counts))
	for value, n := range counts {
		list = append(list, Count{value, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list[:min(len(list), maxFacet)]
}
