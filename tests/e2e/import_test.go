package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/csv"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// row is a product with one variant in a product export of Shopify.
type row struct{ handle, title, description, sku, quantity, price string }

var header = []string{
	"Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name", "Option1 Value",
	"Variant SKU", "Variant Grams", "Variant Inventory Tracker", "Variant Inventory Qty", "Variant Inventory Policy",
	"Variant Fulfillment Service", "Variant Price", "Variant Requires Shipping", "Variant Taxable",
}

// file returns a product export of Shopify with the rows.
func file(rows ...row) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(header) // writing to a buffer cannot fail
	for _, r := range rows {
		if r.title == "" {
			r.title = "Title of " + r.handle
		}
		_ = w.Write([]string{
			r.handle, r.title, r.description, "Test", "Tests", "", "true", "Title", "Default Title",
			r.sku, "100", "shopify", r.quantity, "deny", "manual", r.price, "true", "true",
		})
	}
	w.Flush()
	return b.Bytes()
}

var handleColumn = regexp.MustCompile(`(?m)^[a-z0-9-]+,`)

func TestImportOfRealExports(t *testing.T) {
	guest(t)
	prefix := strings.ToLower(rand.Text()[:8]) + "-" // so that the test can be repeated on the same shop
	for name, sample := range map[string]struct {
		handle    string
		available []int64 // of its variants, in their order
	}{
		"shopify-apparel.csv":         {"classic-varsity-top", []int64{1, 1, 1}},
		"shopify-home-and-garden.csv": {"clay-plant-pot", []int64{1, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			export, err := os.ReadFile("testdata/" + name)
			require.NoError(t, err)
			export = handleColumn.ReplaceAll(export, []byte(prefix+"$0"))
			imported, err := staff(t).Import(ctx, "text/csv", export)
			require.NoError(t, err)
			require.Equal(t, api.Imported{Created: 20, Errors: imported.Errors}, imported)
			require.Empty(t, imported.Errors)

			p, err := sharedClient.Product(ctx, prefix+sample.handle)
			require.NoError(t, err)
			var available []int64
			skus := map[string]bool{}
			for _, v := range p.Variants {
				available = append(available, v.Available)
				skus[v.SKU] = true
			}
			require.Equal(t, sample.available, available)
			require.Len(t, skus, len(p.Variants), "each variant has a SKU of its own")
			require.NotContains(t, skus, "")

			again, err := staff(t).Import(ctx, "text/csv", export)
			require.NoError(t, err)
			require.Equal(t, api.Imported{Unchanged: 20, Errors: again.Errors}, again)
			require.Empty(t, again.Errors)
			after, err := sharedClient.Product(ctx, prefix+sample.handle)
			require.NoError(t, err)
			require.Equal(t, p, after)
		})
	}
}

func TestImportReportsBrokenRowsByLine(t *testing.T) {
	c, ctx := guest(t), t.Context()
	prefix := "broken-" + strings.ToLower(rand.Text()[:8])
	export := file(
		row{handle: prefix + "-a", quantity: "1", price: "5.00", description: "<p>Over\nthree\nlines</p>"}, // lines 2 to 4
		row{handle: prefix + "-b", quantity: "1", price: "a lot"},                                          // 5
		row{handle: prefix + "-c", quantity: "1", price: "5.00"},                                           // 6
		row{handle: prefix + "-d", quantity: "many", price: "5.00"},                                        // 7
		row{handle: prefix + "-e", quantity: "1", price: "-5.00"},                                          // 8
		row{handle: prefix + "-f", quantity: "1", price: "5.00"},                                           // 9
	)
	imported, err := staff(t).Import(ctx, "text/csv", export)
	require.NoError(t, err)
	require.Equal(t, 3, imported.Created, "%+v", imported)
	require.Equal(t, 3, imported.Failed, "%+v", imported)
	lines := map[int]string{}
	for _, e := range imported.Errors {
		lines[e.Line] = e.Handle
		require.NotEmpty(t, e.Reason)
	}
	require.Equal(t, map[int]string{5: prefix + "-b", 7: prefix + "-d", 8: prefix + "-e"}, lines)
	for _, handle := range []string{"-a", "-c", "-f"} {
		_, err := c.Product(ctx, prefix+handle)
		require.NoError(t, err, handle)
	}
	_, err = c.Product(ctx, prefix+"-b")
	requireProblem(t, err, http.StatusNotFound, "not-found")
}

func TestRepeatedImportKeepsReservedStock(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := "E2E-" + rand.Text()[:12]
	export := file(row{handle: strings.ToLower(sku), sku: sku, quantity: "3", price: "19.99"})
	_, err := staff(t).Import(ctx, "text/csv", export)
	require.NoError(t, err)
	_, err = c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
	require.NoError(t, err)
	imported, err := staff(t).Import(ctx, "text/csv", export)
	require.NoError(t, err)
	require.Equal(t, 1, imported.Unchanged, "%+v", imported)
	stock, err := staff(t).Stock(ctx, sku)
	require.NoError(t, err)
	require.Equal(t, api.Stock{SKU: sku, OnHand: 3, Reserved: 1, Available: 2}, stock)
}

func TestImportIsForStaff(t *testing.T) {
	c, ctx := guest(t), t.Context()
	_, err := c.Import(ctx, "text/csv", file())
	requireProblem(t, err, http.StatusUnauthorized, "unauthenticated")
	somebody, _ := customer(t)
	_, err = somebody.Import(ctx, "text/csv", file())
	requireProblem(t, err, http.StatusForbidden, "forbidden")
	_, err = staff(t).Import(ctx, "image/png", file())
	requireProblem(t, err, http.StatusUnsupportedMediaType, "unsupported-media-type")
}
