package catalog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

func open(t *testing.T, state *memory.State) *Catalog {
	options := commitlog.Options{Resident: true}
	log, err := commitlog.Open(t.Context(), state, "catalog", "catalog", product.Model(), options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close(context.Background())) })
	var n atomic.Int64
	name := fmt.Sprintf("%p", log)
	return New(log, func() string { return fmt.Sprint(name, n.Add(1)) })
}

func euro(cents int64) money.Money { return money.New(cents, "EUR") }

func hat(handle string, sizes ...string) product.Product {
	p := product.Product{Handle: handle, Title: "A hat", Options: []product.Option{{Name: "Size"}}}
	for _, s := range sizes {
		p.Variants = append(p.Variants, product.Variant{Price: euro(1000), Options: map[string]string{"Size": s}})
	}
	return p
}

func anyVersion(uint64) error { return nil }

func TestRule1HandlesAndSKUsNameOneProduct(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	a, _, err := c.Create(t.Context(), hat("a", "S", "M"))
	require.NoError(t, err)
	_, _, err = c.Create(t.Context(), hat("a", "S"))
	assert.True(t, fault.Is(err, "conflict"))
	assert.Equal(t, "handle", fault.Of(err).Fields[0].Location)
	b := hat("b", "S", "M")
	b.Variants[1].SKU = a.Variants[0].SKU
	_, _, err = c.Create(t.Context(), b)
	assert.True(t, fault.Is(err, "conflict"))
	assert.Equal(t, "variants[1].sku", fault.Of(err).Fields[0].Location)
	require.NoError(t, c.Delete(t.Context(), a.ID, anyVersion))
	assert.True(t, fault.Is(c.Delete(t.Context(), a.ID, anyVersion), "not-found"))
	b, _, err = c.Create(t.Context(), b)
	require.NoError(t, err)
	b.Handle = "a" // frees b
	_, _, err = c.Replace(t.Context(), b.ID, b, anyVersion)
	require.NoError(t, err)
	_, _, err = c.Create(t.Context(), hat("b", "L"))
	require.NoError(t, err)
}

func TestRule1HoldsUnderContention(t *testing.T) {
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
	changed, _, err = c.Replace(t.Context(), a.ID, changed, anyVersion)
	require.NoError(t, err)
	assert.Equal(t, []string{a.Variants[2].SKU, a.Variants[0].SKU}, changed.SKUs())
}

func TestReplacingWithoutADifferenceWritesNothing(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	a, seq, err := c.Create(t.Context(), hat("a", "S"))
	require.NoError(t, err)
	_, again, err := c.Replace(t.Context(), a.ID, hat("a", "S"), anyVersion)
	require.NoError(t, err)
	assert.Equal(t, seq, again)
	stale := fault.New(fault.Stale, "precondition-failed", "")
	_, _, err = c.Replace(t.Context(), a.ID, hat("a", "M"), func(at uint64) error {
		assert.Equal(t, seq, at)
		return stale
	})
	assert.True(t, fault.Is(err, "precondition-failed"))
}

func TestRule7CategoriesFormATree(t *testing.T) {
	t.Parallel()
	c := open(t, memory.NewState())
	parent := ""
	for i := range 8 {
		n, seq, err := c.CreateCategory(t.Context(), product.Category{Name: fmt.Sprint("level ", i), Parent: parent})
		require.NoError(t, err)
		assert.Equal(t, uint64(1), seq)
		parent = n.Handle
	}
	for name, n := range map[string]product.Category{
		"deep":      {Name: "deep", Parent: parent},
		"no parent": {Name: "x", Parent: "nowhere"},
		"itself":    {Name: "y", Parent: "y"},
	} {
		_, _, err := c.CreateCategory(t.Context(), n)
		assert.True(t, fault.Is(err, "invalid-request"), name)
	}
	ring := product.Category{Handle: "level-0", Name: "ring", Parent: "level-3"}
	_, _, err := c.ReplaceCategory(t.Context(), ring, anyVersion)
	assert.Equal(t, "parent", fault.Of(err).Fields[0].Location)
	_, _, err = c.CreateCategory(t.Context(), product.Category{Name: "Level 0"})
	assert.True(t, fault.Is(err, "conflict"))
	require.NoError(t, c.DeleteCategory(t.Context(), "level-0", anyVersion))
	assert.True(t, fault.Is(c.DeleteCategory(t.Context(), "level-0", anyVersion), "not-found"))
	p := hat("a", "S")
	p.Categories = []string{"level-1", "level-0"}
	_, _, err = c.Create(t.Context(), p)
	assert.Equal(t, "categories[1]", fault.Of(err).Fields[0].Location)
}
