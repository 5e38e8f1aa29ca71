package service

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/service/importer"
	"haberdash/internal/contract"
)

func TestRealExportsAreImported(t *testing.T) {
	t.Parallel()
	for file, products := range map[string]int{"shopify-apparel.csv": 20, "shopify-home-and-garden.csv": 20} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, false)
			text := sample(t, file)
			assert.Equal(t, report{Created: products, Errors: []imports.RowError{}}, f.upload(text))
			stock := f.stock()
			assert.Equal(t, products, f.upload(text).Unchanged)
			other := "\uFEFF" + strings.ReplaceAll(text, "\r\n", "\n")
			assert.Equal(t, products, f.upload(other).Unchanged, "byte order mark and line ends")
			assert.Equal(t, stock, f.stock())
			assert.EqualValues(t, products, f.get("/api/v1/products?limit=100")["total"])
			again := f.startAnother(false)
			assert.Equal(t, products, again.upload(text).Unchanged, "another process")
			assert.Equal(t, stock, f.stock())
		})
	}
}

func TestImportedProductsAreComplete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.upload(sample(t, "shopify-apparel.csv"))
	f.upload(sample(t, "shopify-home-and-garden.csv"))
	p := f.get("/api/v1/products/clay-plant-pot")
	assert.Equal(t, "<p>Classic blown clay pot for plants</p>", p["description"])
	assert.Equal(t, []any{"outdoor"}, p["categories"])
	assert.Equal(t, []any{"Pot", "Plants"}, p["tags"])
	assert.Equal(t, []any{map[string]any{"name": "Size", "values": []any{"Regular", "Large"}}}, p["options"])
	large := p["variants"].([]any)[1].(map[string]any)
	assert.Equal(t, "CLAY-PLANT-POT-LARGE", large["sku"])
	assert.Equal(t, map[string]any{"amount": 1599.0, "currency": "EUR"}, large["price"])
	assert.Equal(t, 3.0, large["available"])
	assert.Len(t, p["images"], 2)
	chair := f.get("/api/v1/products/pink-armchair")
	v := chair["variants"].([]any)[0].(map[string]any)
	assert.Equal(t, []any{"Pink Armchair", map[string]any{}, false, 0.0, 75000.0},
		[]any{v["title"], v["options"], v["inStock"], v["available"], v["price"].(map[string]any)["amount"]})
}

const header = "Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU," +
	"Variant Inventory Qty,Variant Price\n"

func TestAnImportReportsWrongRowsAndContinues(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	r := f.upload(header +
		"a,A,\"<script>x</script><b>two\nlines</b>\",,,Size,S,,5,10\n" + // lines 2 and 3
		"a,,,,,,M,,5,ten\n" +
		"a,,,,,,L,,5,12\n" +
		"b,,,,,,,,1,1\n" +
		"c,C,,,,Title,Default Title,X,1,1\n" +
		"d,D,,,,Title,Default Title,X,1,1\n" +
		"a,Other,,,,,XL,,2,14\n" + // a later run adds variants, and does not change the product itself
		"a,,,,,,XL,,2,15\n")
	assert.Equal(t, 4, r.Failed)
	assert.Equal(t, []int{2, 1}, []int{r.Created, r.Updated}, "%+v", r)
	lines := map[int]string{}
	for _, e := range r.Errors {
		lines[e.Line] = e.Handle
	}
	assert.Equal(t, map[int]string{4: "a", 6: "b", 8: "d", 10: "a"}, lines)
	a := f.get("/api/v1/products/a")
	assert.Equal(t, "<b>two\nlines</b>", a["description"])
	assert.Equal(t, "A", a["title"])
	assert.Len(t, a["variants"], 3)
	assert.Equal(t, map[string]int64{"A-S": 5, "A-L": 5, "X": 1, "A-XL": 2}, f.stock())
}

func TestAnImportAdjustsStockByTheDifference(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	row := func(n int) string { return header + fmt.Sprintf("a,A,,,,,,SKU-1,%d,10\n", n) }
	f.upload(row(5))
	f.setStock("SKU-1", 3) // two were sold
	assert.Equal(t, 1, f.upload(row(5)).Unchanged)
	assert.Equal(t, int64(3), f.available("SKU-1"))
	assert.Equal(t, 1, f.upload(row(9)).Updated)
	assert.Equal(t, int64(7), f.available("SKU-1"))
	f.setStock("SKU-1", 1)
	r := f.upload(row(2)) // would take 7, and there is 1
	require.Len(t, r.Errors, 1)
	assert.Equal(t, []any{2, "a"}, []any{r.Errors[0].Line, r.Errors[0].Handle})
	assert.Contains(t, r.Errors[0].Reason, "SKU-1")
	f.setStock("SKU-1", 8)
	assert.Equal(t, 1, f.upload(row(2)).Updated, "tried again")
	assert.Equal(t, int64(1), f.available("SKU-1"))
}

func TestAnImportIsCompletedWhenTheStockIsAvailableAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.stockStore.down.Store(true)
	a := f.call("POST", "staff /api/v1/products/import", header+"a,A,,,,,,SKU-1,5,10\n", "Content-Type: text/csv")
	assert.Equal(t, 503, a.status)
	assert.NotEmpty(t, a.header.Get("Retry-After"))
	f.stockStore.down.Store(false)
	again := f.startAnother(false)
	again.waitUntilReady()
	assert.Equal(t, int64(5), f.available("SKU-1"), "received at the next start")
	assert.Equal(t, 1, again.upload(header+"a,A,,,,,,SKU-1,5,10\n").Unchanged)
	assert.Equal(t, int64(5), f.available("SKU-1"))
}

// A SKU whose stock cannot be read does not stop the stock of other imports, nor the start of the service.
func TestAReceiptThatFailsStopsNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	require.NoError(t, f.stockStore.Put(t.Context(), "doc/stock-main/sku%2FBAD", []byte("{"), ""))
	bad := f.upload(header + "a,A,,,,,,BAD,5,10\n")
	require.Len(t, bad.Errors, 1)
	assert.Equal(t, 2, bad.Errors[0].Line)
	assert.Contains(t, bad.Errors[0].Reason, "BAD")
	for i := range 4 { // the receipt that fails comes first
		sku := fmt.Sprint("GOOD-", i)
		f.upload(header + fmt.Sprintf("b%d,B,,,,,,%s,5,10\n", i, sku))
		assert.Equal(t, int64(5), f.available(sku))
	}
	f.startAnother(false).waitUntilReady()
}

func TestProductsAreImportedFromLinesOfJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	file := `{"title":"Hat","categories":["felt-hats"],"options":[{"name":"Size"}],` +
		`"variants":[{"options":{"Size":"S"},"price":{"amount":1,"currency":"EUR"}}]}
{"title":"Bad","variants":[]}

{"title":"Worse","colour":"red"}
{"handle":"x","title":"X","variants":[{"price":{"amount":1.5,"currency":"EUR"}}]}
nonsense
{"handle":"hat","title":"Again","variants":[{"price":{"amount":1,"currency":"EUR"}}]}
{"title":"Cap","variants":[{"sku":"CAP","price":{"amount":2,"currency":"EUR"}}]}`
	send := func() (r report) {
		a := f.call("POST", "staff /api/v1/products/import", file, "Content-Type: application/x-ndjson")
		require.Equal(t, 200, a.status, "%s", a.body)
		v := a.json(t)
		count := func(name string) int { return int(v[name].(float64)) }
		r = report{Created: count("created"), Unchanged: count("unchanged"), Failed: count("failed")}
		var lines []int
		for _, e := range v["errors"].([]any) {
			lines = append(lines, int(e.(map[string]any)["line"].(float64)))
		}
		assert.ElementsMatch(t, []int{2, 4, 5, 6, 7}, lines)
		return r
	}
	assert.Equal(t, report{Created: 2, Failed: 5}, send())
	assert.Equal(t, report{Unchanged: 2, Failed: 5}, send())
	assert.Equal(t, []any{"felt-hats"}, f.get("/api/v1/products/hat")["categories"])
}

func TestAmbiguousLinesAreNotImported(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	file := `{"title":"A","title":"B","variants":[{"price":{"amount":1,"currency":"EUR"}}]}
{"title":"A","TITLE":"B","variants":[{"price":{"amount":1,"currency":"EUR"}}]}
{"title":"A","variants":[{"price":{"amount":1,"currency":"EUR","amount":2}}]}
{"title":"A","variants":[{"price":{"amount":"1","currency":"EUR"}}]}`
	a := f.call("POST", "staff /api/v1/products/import", file, "Content-Type: application/x-ndjson")
	require.Equal(t, 200, a.status, "%s", a.body)
	var reasons []string
	for _, e := range a.json(t)["errors"].([]any) {
		reasons = append(reasons, e.(map[string]any)["reason"].(string))
	}
	assert.Equal(t, []string{
		"title: is there more than once", "TITLE: unexpected property",
		"variants[0].price.amount: is there more than once", "variants[0].price.amount: expected a whole number in range",
	}, reasons)
}

func TestImportsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	send := func(path, body string, headers ...string) string {
		a := f.call("POST", path, body, headers...)
		return fmt.Sprint(a.status, " ", a.problem())
	}
	const at, csv = "/api/v1/products/import", "Content-Type: text/csv"
	assert.Equal(t, "401 unauthenticated", send(at, header, csv))
	assert.Equal(t, "403 forbidden", send("customer "+at, header, csv))
	assert.Equal(t, "415 unsupported-media-type header.Content-Type", send("staff "+at, header))
	assert.Equal(t, "422 invalid-request body", send("staff "+at, "", csv))
	assert.Equal(t, "422 invalid-request body", send("staff "+at, "a;b;c\n", csv))
	assert.Equal(t, "422 invalid-request query.currency", send("staff "+at+"?currency=XXX", header, csv))
	assert.Contains(t, send("staff "+at+"?currency=euro", header, csv), "422 invalid-request query.currency")
	assert.Contains(t, send("staff "+at+"?dry=1", header, csv), "422")
	tooLong := fmt.Sprint("Content-Length: ", importer.MaxFile+1)
	assert.Equal(t, "413 body-too-large", send("staff "+at, header, csv, tooLong))
}

func TestManyProductsAreImportedInBatches(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	var b strings.Builder
	b.WriteString(header)
	for i := range 450 {
		fmt.Fprintf(&b, "p-%d,Product %d,,,,,,,1,10\n", i, i)
	}
	assert.Equal(t, 450, f.upload(b.String()).Created)
	assert.LessOrEqual(t, f.log.Head(), uint64(10), "products and receipts, a hundred at a time")
	assert.Equal(t, 450, f.upload(b.String()).Unchanged)
	published := func() bool { return len(f.mesh.Sent(contract.TopicCatalog)) == 450 }
	require.Eventually(t, published, timeout, tick)
}
