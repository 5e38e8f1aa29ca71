package listing_test

import (
	"context"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

// follow opens the log on a store, as a process does, and follows it.
func follow(t *testing.T, store *memory.State) (*listing.Listing, *catalog.Catalog) {
	t.Helper()
	options := commitlog.Options{Resident: true}
	log, err := commitlog.Open(t.Context(), store, "catalog", "catalog", product.Model(), options)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, log.Close(context.Background())) })
	c, err := listing.Follow(t.Context(), log, func(product.Change) {})
	require.NoError(t, err)
	return c, catalog.New(log, rand.Text)
}

func euro(cents int64) money.Money { return money.New(cents, "EUR") }

func create(t *testing.T, c *catalog.Catalog, sku string, cents int64) {
	t.Helper()
	variant := product.Variant{SKU: sku, Price: euro(cents), RequiresShipping: true}
	_, _, err := c.Create(t.Context(), product.Product{Title: sku, Variants: []product.Variant{variant}})
	require.NoError(t, err)
}

func TestWhatABuyerWasShownIsComparedWithTheCatalogue(t *testing.T) {
	t.Parallel()
	c, commands := follow(t, memory.NewState())
	create(t, commands, "HAT-M", 4500)
	same := contract.Shown{SKU: "HAT-M", UnitPrice: euro(4500), Shipped: true}
	gone, changed, err := c.Compare(t.Context(), []contract.Shown{same})
	require.NoError(t, err)
	assert.Empty(t, gone)
	assert.Empty(t, changed)

	cheaper, taxed, carried, foreign := same, same, same, same
	cheaper.UnitPrice, taxed.Taxable, carried.Shipped, foreign.UnitPrice = euro(4400), true, false, money.New(4500, "USD")
	shown := []contract.Shown{cheaper, taxed, carried, foreign, {SKU: "NOPE", UnitPrice: euro(1)}}
	gone, changed, err = c.Compare(t.Context(), shown)
	require.NoError(t, err)
	assert.Equal(t, []contract.PriceChangedLine{
		{SKU: "HAT-M", Was: euro(4400), Now: euro(4500)},
		{SKU: "HAT-M", Was: euro(4500), Now: euro(4500)},
		{SKU: "HAT-M", Was: euro(4500), Now: euro(4500)},
	}, changed)
	assert.Equal(t, []string{"HAT-M", "NOPE"}, gone)
}

func TestAListingKnowsWhatAnotherProcessHasJustCommitted(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	_, commands := follow(t, store)
	first, _ := follow(t, store)
	second, _ := follow(t, store)
	create(t, commands, "HAT-M", 4500)
	known, err := first.HasSKU(t.Context(), "HAT-M")
	require.NoError(t, err)
	assert.True(t, known)
	shown := contract.Shown{SKU: "HAT-M", UnitPrice: euro(4500), Shipped: true}
	gone, changed, err := second.Compare(t.Context(), []contract.Shown{shown})
	require.NoError(t, err)
	assert.Empty(t, gone)
	assert.Empty(t, changed)
}
