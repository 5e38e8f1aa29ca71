package product_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "catalog", product.Model(), func(state sidecar.State) {
		options := commitlog.Options{Resident: true}
		log, err := commitlog.Open(t.Context(), state, "catalog", "catalog", product.Model(), options)
		require.NoError(t, err)
		defer log.Close(context.Background())
		n := 0
		c := catalog.New(log, func() string { n++; return fmt.Sprint("id-", n) })
		useEveryCommand(t, c)
	})
}

// useEveryCommand gives the log events of every type.
func useEveryCommand(t *testing.T, c *catalog.Catalog) {
	ctx, anyVersion := t.Context(), func(uint64) error { return nil }
	_, _, err := c.CreateCategory(ctx, product.Category{Handle: "head", Name: "For the head"})
	require.NoError(t, err)
	_, _, err = c.CreateCategory(ctx, product.Category{Handle: "hats", Name: "Hats", Parent: "head"})
	require.NoError(t, err)
	renamed := product.Category{Handle: "hats", Name: "Hats and caps", Parent: "head"}
	_, _, err = c.ReplaceCategory(ctx, renamed, anyVersion)
	require.NoError(t, err)

	before := money.New(1200, "EUR")
	created, _, err := c.Create(ctx, product.Product{
		Handle: "a", Title: "A hat", Categories: []string{"hats"}, Options: []product.Option{{Name: "Size"}},
		Variants: []product.Variant{
			{SKU: "A-S", Price: money.New(1000, "EUR"), CompareAt: &before, Barcode: "4006381333931", Grams: 90,
				Options: map[string]string{"Size": "S"}},
			{Price: money.New(1000, "EUR"), Options: map[string]string{"Size": "M"}},
		},
		Images: []product.Image{{URL: "/media/a.svg", Alt: "a hat"}},
	})
	require.NoError(t, err)
	created.Title = "Another hat"
	_, _, err = c.Replace(ctx, created.ID, created, anyVersion)
	require.NoError(t, err)

	variant := product.Variant{SKU: "B", Price: money.New(500, "EUR")}
	whole := product.Product{Handle: "b", Title: "B", Variants: []product.Variant{variant}}
	_, err = c.Import(ctx, []imports.Item{{Line: 2, Handle: "b", Whole: &whole, Counts: map[string]int64{"B": 3}}})
	require.NoError(t, err)
	receipts, err := c.Receipts(ctx)
	require.NoError(t, err)
	for _, r := range receipts {
		require.NoError(t, c.CloseReceipt(ctx, r.ID, false))
	}
	require.NoError(t, c.Delete(ctx, created.ID, anyVersion))
	require.NoError(t, c.DeleteCategory(ctx, "hats", anyVersion))
}
