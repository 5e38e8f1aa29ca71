package service

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/demo"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

const hat = `{"title":"Felt hat","brand":"Acme","tags":["wool"],"options":[{"name":"Size","values":["S","M"]}],
"variants":[{"options":{"Size":"S"},"price":{"amount":4900,"currency":"EUR"},
 "compareAtPrice":{"amount":5900,"currency":"EUR"}},
{"sku":"HAT-M","options":{"Size":"M"},"price":{"amount":4500,"currency":"EUR"},"grams":120,"taxable":false}],
"images":[{"url":"https://x.test/1.jpg","alt":"a hat"}]}`

func (f *fixture) add(body string) answer {
	a := f.call("POST", "staff /api/v1/products", body)
	require.Equal(f.t, 201, a.status, "%s", a.body)
	return a
}

func TestProductsAreEditedByStaff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	made := f.add(hat)
	id := made.json(t)["id"].(string)
	assert.Equal(t, "/api/v1/products/"+id, made.header.Get("Location"))
	f.setStock("HAT-M", 4)

	got := f.call("GET", "/api/v1/products/felt-hat", "")
	tag := got.header.Get("ETag")
	assert.Regexp(t, `^"1-[0-9a-f]+"$`, tag)
	assert.Contains(t, got.header.Get("Cache-Control"), "public, max-age=1")
	p := got.json(t)
	variants := p["variants"].([]any)
	assert.Equal(t, "FELT-HAT-S", variants[0].(map[string]any)["sku"])
	v := variants[1].(map[string]any)
	assert.Equal(t, []any{"M", 4.0, true, false}, []any{v["title"], v["available"], v["inStock"], v["taxable"]})
	assert.Equal(t, 304, f.call("GET", "/api/v1/products/"+id, "", "If-None-Match: "+tag).status)
	f.setStock("HAT-M", 3)
	got = f.call("GET", "/api/v1/products/"+id, "", "If-None-Match: "+tag)
	assert.Equal(t, 200, got.status, "the stock is part of it")

	change := strings.Replace(hat, "Felt hat", "Felt hat, improved", 1)
	path := "staff /api/v1/products/" + id
	assert.Equal(t, 428, f.call("PUT", path, change).status)
	assert.Equal(t, 412, f.call("PUT", path, change, `If-Match: "7-00"`).status)
	put := f.call("PUT", path, change, "If-Match: "+tag)
	require.Equal(t, 200, put.status, "a sale is no change: %s", put.body)
	assert.Equal(t, "felt-hat", put.json(t)["handle"], "stays if not given")
	assert.Equal(t, 412, f.call("PUT", path, hat, "If-Match: "+tag).status)
	assert.Equal(t, 404, f.call("PUT", "staff /api/v1/products/nope", hat, "If-Match: *").status)

	assert.Equal(t, 428, f.call("DELETE", path, "").status)
	assert.Equal(t, 204, f.call("DELETE", path, "", "If-Match: "+put.header.Get("ETag")).status)
	assert.Equal(t, 404, f.call("GET", "/api/v1/products/felt-hat", "").status)
	assert.NotEqual(t, id, f.add(hat).json(t)["id"], "the handle is free")
}

func TestEditsNeedStaff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.add(hat)
	category := `{"name":"Hats"}`
	for _, c := range [][3]string{
		{"POST", "/api/v1/products", hat}, {"PUT", "/api/v1/products/felt-hat", hat},
		{"DELETE", "/api/v1/products/felt-hat", ""}, {"POST", "/api/v1/categories", category},
		{"PUT", "/api/v1/categories/hats", category}, {"DELETE", "/api/v1/categories/hats", ""},
	} {
		assert.Equal(t, 401, f.call(c[0], c[1], c[2]).status, c)
		assert.Equal(t, 403, f.call(c[0], "customer "+c[1], c[2], "If-Match: *").status, c)
	}
}

func TestDraftsAreForStaff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.add(strings.Replace(hat, `{"title"`, `{"status":"draft","title"`, 1))
	assert.Equal(t, 404, f.call("GET", "/api/v1/products/felt-hat", "").status)
	assert.Equal(t, 404, f.call("GET", "customer /api/v1/products/felt-hat", "").status)
	got := f.call("GET", "staff /api/v1/products/felt-hat", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, resource.PrivateCache, got.header.Get("Cache-Control"))
	assert.EqualValues(t, 0, f.get("staff /api/v1/products")["total"], "the public list is the same for all")
	assert.EqualValues(t, 1, f.get("staff /api/v1/products?status=all")["total"])
	assert.Equal(t, 401, f.call("GET", "/api/v1/products?status=draft", "").status)
	assert.Equal(t, 403, f.call("GET", "customer /api/v1/products?status=draft", "").status)
	a := f.call("POST", "/internal/variants", `{"skus":["HAT-M"]}`)
	assert.JSONEq(t, `{"variants":[]}`, string(a.body))
}

func TestBadInputNamesTheField(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.add(hat)
	price := `"price":{"amount":1,"currency":"EUR"}`
	variants := `"variants":[{` + price + `}]`
	const invalid = "422 invalid-request body"
	for body, want := range map[string]string{
		`{`:                            "400",
		`{"title":"x"}`:                invalid,
		`{"title":5,` + variants + `}`: invalid + ".title",
		`{"title":"x","colour":1,` + variants + `}`:            invalid + ".colour",
		`{"title":"x","variants":[]}`:                          invalid + ".variants",
		`{"title":"x","variants":null}`:                        invalid + ".variants",
		`{"title":" ",` + variants + `}`:                       invalid + ".title",
		`{"title":"x","handle":"A B",` + variants + `}`:        invalid + ".handle",
		`{"title":"x","handle":"felt-hat",` + variants + `}`:   "409 conflict body.handle",
		`{"title":"x","categories":["none"],` + variants + `}`: invalid + ".categories[0]",
		`{"title":"x","status":"sold",` + variants + `}`:       invalid + ".status",

		`{"title":"x","variants":[{"sku":"HAT-M",` + price + `}]}`:                   "409 conflict body.variants[0].sku",
		`{"title":"x","variants":[{"price":{"amount":-1,"currency":"EUR"}}]}`:        invalid + ".variants[0].price.amount",
		`{"title":"x","variants":[{"price":{"amount":1.5,"currency":"EUR"}}]}`:       invalid + ".variants[0].price.amount",
		`{"title":"x","variants":[{"price":{"amount":1,"currency":"XYZ"}}]}`:         invalid + ".variants[0].price.currency",
		`{"title":"x",` + variants + `,"images":[{"url":"javascript:x"}]}`:           invalid + ".images[0].url",
		`{"title":"x",` + variants + `,"options":[{"name":"Size"}]}`:                 invalid + ".variants[0].options.Size",
		`{"title":"x",` + variants + `,"tags":["` + strings.Repeat("a", 251) + `"]}`: invalid + ".tags[0]",
	} {
		a := f.call("POST", "staff /api/v1/products", body)
		assert.Contains(t, fmt.Sprint(a.status, " ", a.problem()), want, body)
	}
	for _, amount := range []string{"1e300", "9223372036854775808", "100000000001", `"5"`} {
		body := `{"title":"x","variants":[{"price":{"amount":` + amount + `,"currency":"EUR"}}]}`
		a := f.call("POST", "staff /api/v1/products", body)
		assert.True(t, a.status == 422 || a.status == 400, "%s: %d %s", amount, a.status, a.body)
	}
	a := f.call("POST", "staff /api/v1/products", "{\"title\":\"a\xff\","+variants+"}")
	assert.Less(t, a.status, 500)
	assert.GreaterOrEqual(t, a.status, 400)
}

func TestBadQueriesAndPaths(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	for _, query := range []string{
		"limit=0", "limit=101", "limit=x", "cursor=abc", "sort=best", "minPrice=-1", "currency=eur", "currency=XYZ",
		"inStock=maybe", "colour=red", "q=" + strings.Repeat("x", 201),
	} {
		a := f.call("GET", "/api/v1/products?"+query, "")
		assert.Equal(t, 422, a.status, query)
		assert.Contains(t, a.problem(), "query."+strings.Split(query, "=")[0])
	}
	for _, path := range []string{
		"/api/v1/products/nothing", "/api/v1/products/..%2f..", "/api/v1/products/%ff", "/api/v1/categories/x",
		"/media/x.svg", "/media/felt-fedora",
	} {
		assert.Equal(t, 404, f.call("GET", path, "").status, path)
	}
}

func TestListSearchAndFacets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, true)
	f.waitUntilReady()
	handles := func(query string) (all []string) {
		cursor := ""
		for {
			page := f.get("/api/v1/products?" + query + cursor)
			for _, it := range page["items"].([]any) {
				all = append(all, it.(map[string]any)["handle"].(string))
			}
			if page["nextCursor"] == nil {
				assert.EqualValues(t, page["total"], len(all), query)
				return all
			}
			cursor = "&cursor=" + url.QueryEscape(page["nextCursor"].(string))
		}
	}
	assert.GreaterOrEqual(t, len(handles("limit=7")), 36)
	assert.Equal(t, "felt-fedora", handles("q=fedora")[0])
	for _, typed := range []string{"umbr", "umbrella", "umbrellas", "Umbrlla", "UMBRELLA!"} {
		assert.Len(t, handles("q="+url.QueryEscape(typed)), 3, typed)
	}
	assert.Equal(t, []string{"tomato-pincushion"}, handles("q=tomato+pin"))
	assert.Equal(t, []string{"tomato-pincushion"}, handles("q=TOMATO-PINCUSHION"), "a SKU")
	assert.Empty(t, handles("q=xylophone"))
	assert.Empty(t, handles("q=%21%21"))
	assert.ElementsMatch(t, []string{"felt-fedora", "straw-boater", "garden-sun-hat"}, handles("category=hats"))
	assert.Len(t, handles("category=headwear"), 6)
	assert.NotContains(t, handles("inStock=true"), "straw-boater")
	assert.Contains(t, handles("inStock=true"), "tomato-pincushion")
	up := handles("sort=price&brand=calloway&minPrice=1500&maxPrice=4000&limit=2")
	assert.Equal(t, []string{"linen-pocket-square", "velvet-bow-tie", "button-braces"}, up)
	assert.Equal(t, "cashmere-wrap", handles("sort=-price")[0])
	assert.Empty(t, handles("currency=USD"))
	facets := f.get("/api/v1/products?brand=Pelham")["facets"].(map[string]any)
	assert.Equal(t, []any{
		map[string]any{"value": "accessories", "count": 3.0}, map[string]any{"value": "umbrellas", "count": 3.0},
	}, facets["category"])
	assert.Greater(t, len(facets["brand"].([]any)), 3, "other brands to choose")

	first := f.get("/api/v1/products?limit=1")
	a := f.call("GET", "/api/v1/products?limit=1&sort=title&cursor="+first["nextCursor"].(string), "")
	assert.Equal(t, 422, a.status, "a cursor of another order")
}

func TestTheETagOfAListChangesWithTheStock(t *testing.T) {
	t.Parallel()
	f := newFixture(t, true)
	f.waitUntilReady()
	const boaters = "/api/v1/products?q=boater"
	list := f.call("GET", boaters, "")
	read := "If-None-Match: " + list.header.Get("ETag")
	assert.Equal(t, 304, f.call("GET", boaters, "", read).status)
	assert.False(t, list.json(t)["items"].([]any)[0].(map[string]any)["inStock"].(bool))
	f.setStock("STRAW-BOATER-M", 1)
	assert.Equal(t, 200, f.call("GET", boaters, "", read).status)
}

func TestASearchHasWhatWasCommittedBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	for i := range 20 {
		f.add(fmt.Sprintf(`{"title":"Gizmo %d","variants":[{"price":{"amount":1,"currency":"EUR"}}]}`, i))
		assert.EqualValues(t, i+1, f.get("/api/v1/products?q=gizmo")["total"])
	}
}

func TestTheDemoProductsAreImportedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, true)
	twin := f.startAnother(true)
	f.waitUntilReady()
	twin.waitUntilReady()
	last := f.startAnother(true)
	last.waitUntilReady()
	for _, it := range demo.Items() {
		for sku, n := range it.Counts {
			assert.Equal(t, n, last.available(sku), sku)
		}
	}
	p := last.get("/api/v1/products/felt-fedora")
	for _, image := range p["images"].([]any) {
		a := f.call("GET", image.(map[string]any)["url"].(string), "")
		assert.Equal(t, []any{200, "image/svg+xml"}, []any{a.status, a.header.Get("Content-Type")})
		assert.Contains(t, a.header.Get("Cache-Control"), "max-age=604800")
	}
}

func TestVariantsForOtherServices(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.add(hat)
	f.setStock("HAT-M", 7)
	a := f.call("POST", "/internal/variants", `{"skus":["HAT-M","NOPE","HAT-M","FELT-HAT-S"]}`)
	var reply contract.VariantsReply
	require.NoError(t, json.Unmarshal(a.body, &reply))
	require.Len(t, reply.Variants, 2)
	v := reply.Variants[0]
	assert.Equal(t, contract.Variant{
		SKU: "HAT-M", ProductID: v.ProductID, Handle: "felt-hat", Title: "Felt hat – M", Image: "https://x.test/1.jpg",
		Price: money.New(4500, "EUR"), Available: 7, Taxable: false, ShippedGoods: true, Grams: 120,
	}, v)
	assert.Equal(t, 422, f.call("POST", "/internal/variants", `{"skus":[]}`).status)
}

func TestAReplicaShowsWhatAnotherHasJustCreated(t *testing.T) {
	t.Parallel()
	a := newFixture(t, false)
	b := a.startAnother(false)
	a.add(hat)
	assert.Equal(t, 200, b.call("GET", "/api/v1/products/felt-hat", "").status)
	other := strings.NewReplacer("Felt hat", "Other hat", "felt-hat", "other-hat", "HAT-", "OTHER-").Replace(hat)
	a.add(other)
	reply := b.call("POST", "/internal/variants", `{"skus":["OTHER-M"]}`)
	assert.Contains(t, string(reply.body), `"sku":"OTHER-M"`)
}
