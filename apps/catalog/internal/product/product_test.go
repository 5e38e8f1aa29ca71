package product

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

func open(t *testing.T, state *memory.State) *Catalog {
	log, err := commitlog.Open(t.Context(), state, "catalog", "catalog", Model(), commitlog.Options{Resident: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close(context.Background())) })
	var n atomic.Int64
	name := fmt.Sprintf("%p", log)
	return NewCatalog(log, func() string { return fmt.Sprint(name, n.Add(1)) })
}

func euro(cents int64) money.Money { return money.New(cents, "EUR") }

func hat(handle string, sizes ...string) Product {
	p := Product{Handle: handle, Title: "A hat", Options: []Option{{Name: "Size"}}}
	for _, s := range sizes {
		p.Variants = append(p.Variants, Variant{Price: euro(1000), Options: map[string]string{"Size": s}})
	}
	return p
}

func whatever(uint64) error { return nil }

func TestRule1HandlesAndSKUsNameOneProduct(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	a, _, err := c.Create(t.Context(), hat("a", "S", "M"))
	require.NoError(t, err)
	_, _, err = c.Create(t.Context(), hat("a", "S"))
	assert.True(t, fault.Is(err, "conflict"))
	assert.Equal(t, "body.handle", fault.Of(err).Fields[0].Location)
	b := hat("b", "S", "M")
	b.Variants[1].SKU = a.Variants[0].SKU
	_, _, err = c.Create(t.Context(), b)
	assert.True(t, fault.Is(err, "conflict"))
	assert.Equal(t, "body.variants[1].sku", fault.Of(err).Fields[0].Location)
	require.NoError(t, c.Delete(t.Context(), a.ID, whatever))
	assert.True(t, fault.Is(c.Delete(t.Context(), a.ID, whatever), "not-found"))
	b, _, err = c.Create(t.Context(), b)
	require.NoError(t, err)
	b.Handle = "a" // frees b
	_, _, err = c.Replace(t.Context(), b.ID, b, whatever)
	require.NoError(t, err)
	_, _, err = c.Create(t.Context(), hat("b", "L"))
	require.NoError(t, err)
}

func TestRule1UnderContention(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	replicas := []*Catalog{open(t, state), open(t, state)}
	var won atomic.Int64
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			<-start
			if _, _, err := replicas[i%2].Create(context.Background(), hat("same", "S")); err == nil {
				won.Add(1)
			} else {
				assert.True(t, fault.Is(err, "conflict"), "%v", err)
			}
		})
	}
	close(start)
	group.Wait()
	assert.Equal(t, int64(1), won.Load())
}

func TestRule2ProductsAreWhole(t *testing.T) {
	t.Parallel()
	usd := money.New(5, "USD")
	for name, c := range map[string]struct {
		change func(*Product)
		field  string
	}{
		"no title":        {func(p *Product) { p.Title = "  " }, "title"},
		"long title":      {func(p *Product) { p.Title = strings.Repeat("é", 251) }, "title"},
		"handle":          {func(p *Product) { p.Handle = "A b" }, "handle"},
		"status":          {func(p *Product) { p.Status = "gone" }, "status"},
		"no variants":     {func(p *Product) { p.Variants = nil }, "variants"},
		"101 variants":    {func(p *Product) { p.Variants = make([]Variant, 101) }, "variants"},
		"negative price":  {func(p *Product) { p.Variants[0].Price.Amount = -1 }, "variants[0].price.amount"},
		"huge price":      {func(p *Product) { p.Variants[0].Price.Amount = 1 << 60 }, "variants[0].price.amount"},
		"currency":        {func(p *Product) { p.Variants[0].Price.Currency = "XYZ" }, "variants[0].price.currency"},
		"two currencies":  {func(p *Product) { p.Variants[1].Price = usd }, "variants[1].price.currency"},
		"compare at":      {func(p *Product) { p.Variants[0].CompareAt = &usd }, "variants[0].compareAtPrice.currency"},
		"same options":    {func(p *Product) { p.Variants[1].Options = p.Variants[0].Options }, "variants[1].options"},
		"missing option":  {func(p *Product) { p.Variants[1].Options = nil }, "variants[1].options.Size"},
		"foreign option":  {func(p *Product) { p.Variants[1].Options["Hue"] = "x" }, "variants[1].options"},
		"undeclared":      {func(p *Product) { p.Options[0].Values = []string{"S"} }, "variants[1].options.Size"},
		"twice an option": {func(p *Product) { p.Options = append(p.Options, p.Options[0]) }, "options[1].name"},
		"SKU":             {func(p *Product) { p.Variants[0].SKU = "a/b" }, "variants[0].sku"},
		"dots":            {func(p *Product) { p.Variants[0].SKU = ".." }, "variants[0].sku"},
		"same SKU":        {func(p *Product) { p.Variants[0].SKU, p.Variants[1].SKU = "x", "x" }, "variants[1].sku"},
		"grams":           {func(p *Product) { p.Variants[0].Grams = -1 }, "variants[0].grams"},
		"script":          {func(p *Product) { p.Images = []Image{{URL: "javascript:alert(1)"}} }, "images[0].url"},
		"other host":      {func(p *Product) { p.Images = []Image{{URL: "//evil.test/x"}} }, "images[0].url"},
		"control":         {func(p *Product) { p.Brand = "a\x00b" }, "brand"},
		"UTF-8":           {func(p *Product) { p.Brand = "a\xff" }, "brand"},
		"too large": {func(p *Product) {
			for i := range p.Tags {
				p.Tags[i] = strings.Repeat("<", 250)
			}
			p.Description = strings.Repeat("<", 20_000)
			for range 50 {
				p.Images = append(p.Images, Image{URL: "/" + strings.Repeat("x", 1900), Alt: strings.Repeat("<", 500)})
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := hat("a", "S", "M")
			require.NoError(t, p.Check("body."))
			p = hat("a", "S", "M")
			c.change(&p)
			err := p.Check("body.")
			require.True(t, fault.Is(err, "invalid-request"), "%v", err)
			var at []string
			for _, f := range fault.Of(err).Fields {
				at = append(at, f.Location)
			}
			assert.Contains(t, at, "body."+c.field)
		})
	}
	p := Product{Title: "Crème & Café", Variants: []Variant{{Price: euro(0)}}}
	require.NoError(t, p.Check(""))
	assert.Equal(t, "creme-cafe", p.Handle)
	assert.Equal(t, Active, p.Status)
}

func TestRule3SKUsAreDerivedAndKept(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	a, _, err := c.Create(t.Context(), hat("a", "b-c", "b c", "大"))
	require.NoError(t, err)
	assert.Equal(t, "A-B-C", a.Variants[0].SKU)
	assert.Regexp(t, `^A-B-C-[0-9A-F]{12}$`, a.Variants[1].SKU)
	assert.Regexp(t, `^A-[0-9A-F]{12}$`, a.Variants[2].SKU)
	b, _, err := c.Create(t.Context(), hat("a-b", "c"))
	require.NoError(t, err)
	assert.Regexp(t, `^A-B-C-[0-9A-F]{12}$`, b.Variants[0].SKU, "another product has the plain one")
	changed := hat("renamed", "大", "b-c")
	changed, _, err = c.Replace(t.Context(), a.ID, changed, whatever)
	require.NoError(t, err)
	assert.Equal(t, []string{a.Variants[2].SKU, a.Variants[0].SKU}, changed.SKUs())
}

func TestReplaceWithoutDifferenceWritesNothing(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	a, seq, err := c.Create(t.Context(), hat("a", "S"))
	require.NoError(t, err)
	_, again, err := c.Replace(t.Context(), a.ID, hat("a", "S"), whatever)
	require.NoError(t, err)
	assert.Equal(t, seq, again)
	stale := fault.New(fault.Stale, "precondition-failed", "")
	_, _, err = c.Replace(t.Context(), a.ID, hat("a", "M"), func(at uint64) error {
		assert.Equal(t, seq, at)
		return stale
	})
	assert.True(t, fault.Is(err, "precondition-failed"))
}

func TestRule7CategoriesAreATree(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	parent := ""
	for i := range 8 {
		n, seq, err := c.CreateCategory(t.Context(), Category{Name: fmt.Sprint("level ", i), Parent: parent})
		require.NoError(t, err)
		assert.Equal(t, uint64(1), seq)
		parent = n.Handle
	}
	for name, n := range map[string]Category{
		"deep": {Name: "deep", Parent: parent}, "no parent": {Name: "x", Parent: "nowhere"}, "itself": {Name: "y", Parent: "y"},
	} {
		_, _, err := c.CreateCategory(t.Context(), n)
		assert.True(t, fault.Is(err, "invalid-request"), name)
	}
	_, _, err := c.ReplaceCategory(t.Context(), Category{Handle: "level-0", Name: "ring", Parent: "level-3"}, whatever)
	assert.Equal(t, "body.parent", fault.Of(err).Fields[0].Location)
	_, _, err = c.CreateCategory(t.Context(), Category{Name: "Level 0"})
	assert.True(t, fault.Is(err, "conflict"))
	require.NoError(t, c.DeleteCategory(t.Context(), "level-0", whatever))
	assert.True(t, fault.Is(c.DeleteCategory(t.Context(), "level-0", whatever), "not-found"))
	p := hat("a", "S")
	p.Categories = []string{"level-1", "level-0"}
	_, _, err = c.Create(t.Context(), p)
	assert.Equal(t, "body.categories[1]", fault.Of(err).Fields[0].Location)
}

func TestSlugsAndDerivedSKUsAreAlwaysValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		if h := Slug(name); h != "" {
			assert.Empty(t, checkHandle(h), "%q", h)
			assert.Equal(t, h, Slug(h))
		}
		if h := CleanHandle(name); h != "" {
			assert.Empty(t, checkHandle(h), "%q", h)
		}
		values := rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "values")
		for _, taken := range []bool{false, true} {
			sku := DeriveSKU(name, values, func(string) bool { return taken })
			assert.Empty(t, checkSKU(sku), "%q", sku)
		}
	})
}
