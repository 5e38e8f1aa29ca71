package listing

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

func put(x *Index, p product.Product) {
	x.Apply(product.Change{ID: p.ID, Product: &p, Seq: 1})
}

func putCategory(x *Index, c product.Category) { x.Apply(product.Change{Category: &c, Seq: 1}) }

func fill(t *rapid.T) *Index {
	x := New()
	putCategory(x, product.Category{Handle: "top", Name: "Top"})
	putCategory(x, product.Category{Handle: "a", Name: "A", Parent: "top"})
	putCategory(x, product.Category{Handle: "b", Name: "B", Parent: "top"})
	for i := range rapid.IntRange(0, 40).Draw(t, "products") {
		amount := rapid.Int64Range(0, 60_000).Draw(t, "price")
		price := money.New(amount, rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency"))
		put(x, product.Product{
			ID: fmt.Sprint("id", i), Handle: fmt.Sprint("h", i),
			Status:     rapid.SampledFrom([]string{product.Active, product.Draft}).Draw(t, "status"),
			Title:      rapid.SampledFrom([]string{"x", "Y", "z"}).Draw(t, "title"),
			Brand:      rapid.SampledFrom([]string{"", "Acme", "Bolt"}).Draw(t, "brand"),
			Categories: rapid.SliceOfN(rapid.SampledFrom([]string{"top", "a", "b", "gone"}), 0, 3).Draw(t, "categories"),
			Variants:   []product.Variant{{SKU: fmt.Sprint("s", i), Price: price}},
		})
	}
	return x
}

func draw(t *rapid.T) Query {
	q := Query{
		Category: rapid.SampledFrom([]string{"", "", "top", "a"}).Draw(t, "category"),
		Brand:    rapid.SampledFrom([]string{"", "acme"}).Draw(t, "brand"),
		Prices:   "EUR", Status: product.Active, Limit: rapid.IntRange(1, 7).Draw(t, "limit"),
		Sort: rapid.SampledFrom([]Sort{Relevance, PriceUp, PriceDown, Newest, Title}).Draw(t, "sort"),
	}
	if rapid.Bool().Draw(t, "priced") {
		low, high := rapid.Int64Range(0, 60_000).Draw(t, "min"), rapid.Int64Range(0, 60_000).Draw(t, "max")
		q.MinPrice, q.MaxPrice = low, &high
	}
	if rapid.Bool().Draw(t, "searched") {
		q.Hits = map[string]float64{}
		for i := range 40 {
			if i%3 > 0 {
				q.Hits[fmt.Sprint("id", i)] = float64(i%5) / 3
			}
		}
	}
	return q
}

// All pages together have each product once, in order, and Total counts them.
func TestPagesTogetherAreTheWholeList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, q := fill(t), draw(t)
		var got []*Entry
		for {
			page := x.List(q)
			got = append(got, page.Entries...)
			if page.Next == nil {
				assert.Equal(t, page.Total, len(got))
				break
			}
			b, err := json.Marshal(page.Next) // as a cursor does
			require.NoError(t, err)
			q.After = &Position{}
			require.NoError(t, json.Unmarshal(b, q.After))
			require.True(t, q.After.Fits(q.Sort))
		}
		assert.True(t, slices.IsSortedFunc(got, func(a, b *Entry) int { return q.key(a).compare(q.key(b)) }))
		seen := map[string]bool{}
		for _, e := range got {
			assert.False(t, seen[e.ID])
			seen[e.ID] = true
			assert.Equal(t, product.Active, e.Status)
		}
	})
}

// A facet's count is the total that its value gives as a filter.
func TestFacetCountsAreTheTotalsOfTheirFilters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, q := fill(t), draw(t)
		f := x.List(q).Facets
		for _, c := range f.Category {
			n := q
			n.Category = c.Value
			assert.Equal(t, c.Count, x.List(n).Total, "category %s", c.Value)
		}
		for _, c := range f.Brand {
			n := q
			n.Brand = c.Value
			assert.Equal(t, c.Count, x.List(n).Total, "brand %s", c.Value)
		}
		q.Currency = "EUR"
		for _, c := range x.List(q).Facets.Price {
			n := q
			var high int64
			if k, _ := fmt.Sscanf(c.Value, "%d-%d", &n.MinPrice, &high); k == 2 {
				n.MaxPrice = &high
			} else {
				n.MaxPrice = nil
			}
			if n.MinPrice > 0 || n.MaxPrice != nil {
				assert.Equal(t, c.Count, x.List(n).Total, "price %s", c.Value)
			}
		}
	})
}

func TestTreeCountsEachProductOnce(t *testing.T) {
	t.Parallel()
	x := New()
	putCategory(x, product.Category{Handle: "b", Name: "b", Parent: "top"})
	putCategory(x, product.Category{Handle: "top", Name: "Top"})
	putCategory(x, product.Category{Handle: "a", Name: "A", Parent: "top"})
	putCategory(x, product.Category{Handle: "lost", Name: "Lost", Parent: "deleted"})
	v := []product.Variant{{SKU: "1", Price: money.New(1, "EUR")}}
	listed := []string{"a", "b", "deleted"}
	put(x, product.Product{ID: "1", Handle: "1", Status: product.Active, Categories: listed, Variants: v})
	put(x, product.Product{ID: "2", Handle: "2", Status: product.Draft, Categories: []string{"a"}, Variants: v})
	tree := x.Tree()
	require.Len(t, tree, 2)
	assert.Equal(t, []any{"lost", 0}, []any{tree[0].Handle, tree[0].Products})
	assert.Equal(t, []any{"top", 1}, []any{tree[1].Handle, tree[1].Products})
	assert.Equal(t, []string{"a", "b"}, []string{tree[1].Children[0].Handle, tree[1].Children[1].Handle})
	assert.Equal(t, []string{"a"}, x.ExistingCategories([]string{"a", "deleted"}))
	categories, products := x.Uses("a")
	assert.Equal(t, []int{0, 2}, []int{categories, products})
}

func TestAChangedProductReplacesItsEntry(t *testing.T) {
	t.Parallel()
	x := New()
	variants := []product.Variant{{SKU: "A"}, {SKU: "B"}}
	p := product.Product{ID: "1", Handle: "old", Status: product.Active, Variants: variants}
	put(x, p)
	p.Handle, p.Variants = "new", []product.Variant{{SKU: "B"}}
	put(x, p)
	assert.Nil(t, x.Get("old"))
	assert.Equal(t, "1", x.Get("new").ID)
	_, _, ok := x.Variant("A")
	assert.False(t, ok)
	x.Apply(product.Change{ID: "1", Product: &p, Deleted: true})
	assert.Nil(t, x.Get("1"))
	assert.Empty(t, x.SKUs())
	assert.Equal(t, uint64(2), x.Revision(), "a deletion adds no SKU")
}
