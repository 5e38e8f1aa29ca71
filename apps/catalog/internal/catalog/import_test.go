package catalog

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

func qty(n int64) *int64 { return &n }

func rows(handle string, sizes ...string) imports.Item {
	fields := &imports.Fields{Title: "A hat", Status: product.Active}
	it := imports.Item{Line: 2, Handle: handle, Fields: fields, OptionNames: []string{"Size"}}
	for i, s := range sizes {
		row := imports.VariantRow{Line: 2 + i, Values: []string{s, "", ""}, Price: euro(1000), Quantity: qty(5)}
		it.Variants = append(it.Variants, row)
	}
	return it
}

// stock receives what imports have counted.
type stock struct {
	c      *Catalog
	levels map[string]int64
}

func (s *stock) receive(t require.TestingT, ctx context.Context, refuse func(product.Receipt) bool) {
	receipts, err := s.c.Receipts(ctx)
	require.NoError(t, err)
	for _, r := range receipts {
		refused := refuse != nil && refuse(r)
		for _, m := range r.Moves {
			if !refused {
				s.levels[m.SKU] += m.Delta
			}
		}
		require.NoError(t, s.c.CloseReceipt(ctx, r.ID, refused))
	}
}

func TestRule4ImportsMerge(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	run := func(items ...imports.Item) Report {
		r, err := c.Import(t.Context(), items)
		require.NoError(t, err)
		return r
	}
	first := rows("a", "S", "M")
	first.Images = []imports.ImageRow{{Line: 2, Image: product.Image{URL: "/1.jpg"}}}
	first.Categories = []product.Category{{Handle: "up", Name: "Up"}, {Handle: "hats", Name: "Hats", Parent: "up"}}
	first.Fields.Categories = []string{"hats"}
	assert.Equal(t, Report{Created: 1}, run(first))
	head := c.log.Head()
	assert.Equal(t, Report{Unchanged: 1}, run(first))
	assert.Equal(t, head, c.log.Head(), "the same again is not even a commit")

	more := imports.Item{
		Line: 9, Handle: "a",
		Variants: []imports.VariantRow{{Line: 9, Values: []string{"L"}, Price: euro(1200)}},
		Images:   []imports.ImageRow{{Line: 9, Image: product.Image{URL: "/2.jpg", Alt: "two"}}},
	}
	assert.Equal(t, Report{Updated: 1}, run(more))
	s, _, err := c.log.Get(t.Context(), product.HandleID("a"))
	require.NoError(t, err)
	p, _, err := c.log.Get(t.Context(), s.Owner)
	require.NoError(t, err)
	assert.Equal(t, []string{"A-S", "A-M", "A-L"}, p.Product.SKUs())
	assert.Equal(t, []string{"S", "M", "L"}, p.Product.Options[0].Values)
	assert.Len(t, p.Product.Images, 2)
	assert.Equal(t, "A hat", p.Product.Title)
	assert.Equal(t, Report{Unchanged: 2}, run(first, more))

	named := rows("a", "S")
	named.Variants[0].SKU = "NEW-S"
	assert.Equal(t, Report{Updated: 1}, run(named), "a SKU given later replaces the derived one")
	other := rows("b", "S")
	other.Variants[0].SKU = "A-S"
	assert.Equal(t, Report{Created: 1}, run(other), "and that one is free")
}

func TestRule5WrongRowsAreLeftOut(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	it := rows("a", "S", "M", "L")
	it.Variants[1].SKU = "no/good"
	it.Variants[2].Price = money.New(1, "USD")
	it.Images = []imports.ImageRow{{Line: 7, Image: product.Image{URL: "ftp://x"}}}
	untitled := imports.Item{Line: 20, Handle: "b", Variants: it.Variants[:1]}
	long := rows("c", "S")
	long.Fields.Title = strings.Repeat("x", 300)
	r, err := c.Import(t.Context(), []imports.Item{it, untitled, long, rows("d", "S")})
	require.NoError(t, err)
	assert.Equal(t, 2, r.Created)
	assert.Equal(t, 5, r.Failed)
	lines := []int{}
	for _, e := range r.Errors {
		lines = append(lines, e.Line)
	}
	assert.Equal(t, []int{3, 4, 7, 20, 2}, lines)
	taken := rows("e", "S", "M")
	taken.Variants[0].SKU = "A-S"
	r, err = c.Import(t.Context(), []imports.Item{taken})
	require.NoError(t, err)
	assert.Equal(t, 1, r.Created)
	assert.Contains(t, r.Errors[0].Reason, "another product")
}

func TestRule6StockFollowsTheLastImport(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		state := memory.NewState()
		s := &stock{open(t, state), map[string]int64{}}
		last := map[string]int64{}
		for range rapid.IntRange(1, 6).Draw(rt, "imports") {
			it := rows("a", "S", "M")
			for i := range it.Variants {
				n := rapid.Int64Range(0, 20).Draw(rt, "quantity")
				it.Variants[i].Quantity = &n
				last["A-"+it.Variants[i].Values[0]] = n
			}
			_, err := s.c.Import(ctx, []imports.Item{it})
			require.NoError(rt, err)
			if rapid.Bool().Draw(rt, "receive now") {
				s.receive(rt, ctx, nil)
			}
			if rapid.Bool().Draw(rt, "crash") { // another process finds the receipts in the log
				s.c = open(t, state)
			}
		}
		s.receive(rt, ctx, nil)
		for sku, n := range last {
			assert.Equal(rt, n, s.levels[sku], sku)
		}
	})
}

func TestRule6RefusedReceiptsAreTriedAgain(t *testing.T) {
	t.Parallel()
	s := &stock{open(t, memory.NewState()), map[string]int64{}}
	ctx := t.Context()
	it := rows("a", "S")
	_, err := s.c.Import(ctx, []imports.Item{it})
	require.NoError(t, err)
	s.receive(t, ctx, nil)
	it.Variants[0].Quantity = qty(2)
	for range 2 {
		r, err := s.c.Import(ctx, []imports.Item{it})
		require.NoError(t, err)
		assert.Equal(t, 1, r.Updated)
		s.receive(t, ctx, func(product.Receipt) bool { return true })
	}
	assert.Equal(t, int64(5), s.levels["A-S"])
	_, err = s.c.Import(ctx, []imports.Item{it})
	require.NoError(t, err)
	s.receive(t, ctx, nil)
	assert.Equal(t, int64(2), s.levels["A-S"])
}

func TestLargeBatchesAreSplit(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	var items []imports.Item
	for i := range 60 {
		it := rows(fmt.Sprint("p-", i), "S")
		it.Fields.Description = strings.Repeat("x", 15_000)
		items = append(items, it)
	}
	r, err := c.Import(t.Context(), items)
	require.NoError(t, err)
	assert.Equal(t, Report{Created: 60}, r)
	assert.Greater(t, c.log.Head(), uint64(1))
}
