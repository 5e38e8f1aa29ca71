package service

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/demo"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

const (
	testPatience = 5 * time.Second
	testTick     = 2 * time.Millisecond
)

const hat = `{"title":"Felt hat","brand":"Acme","tags":["wool"],"options":[{"name":"Size","values":["S","M"]}],
"variants":[{"options":{"Size":"S"},"price":{"amount":4900,"currency":"EUR"},"compareAtPrice":{"amount":5900,"currency":"EUR"}},
{"sku":"HAT-M","options":{"Size":"M"},"price":{"amount":4500,"currency":"EUR"},"grams":120,"taxable":false}],
"images":[{"url":"https://x.test/1.jpg","alt":"a hat"}]}`

func (s *shop) add(body string) answer {
	a := s.call("POST", "staff /api/v1/products", body)
	require.Equal(s.t, 201, a.status, "%s", a.body)
	return a
}

func TestProductsAreEditedByStaff(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	made := s.add(hat)
	id := made.json(t)["id"].(string)
	assert.Equal(t, "/api/v1/products/"+id, made.header.Get("Location"))
	s.stock.set("HAT-M", 4)

	got := s.call("GET", "/api/v1/products/felt-hat", "")
	tag := got.header.Get("ETag")
	assert.Regexp(t, `^"1-[0-9a-f]+"$`, tag)
	assert.Contains(t, got.header.Get("Cache-Control"), "public, max-age=1")
	p := got.json(t)
	v := p["variants"].([]any)
	assert.Equal(t, "FELT-HAT-S", v[0].(map[string]any)["sku"])
	assert.Equal(t, []any{"M", 4.0, true, false}, []any{v[1].(map[string]any)["title"], v[1].(map[string]any)["available"], v[1].(map[string]any)["inStock"], v[1].(map[string]any)["taxable"]})
	assert.Equal(t, 304, s.call("GET", "/api/v1/products/"+id, "", "If-None-Match: "+tag).status)
	s.stock.set("HAT-M", 3)
	assert.Equal(t, 200, s.call("GET", "/api/v1/products/"+id, "", "If-None-Match: "+tag).status, "the stock shows")

	change := strings.Replace(hat, "Felt hat", "Felt hat, improved", 1)
	path := "staff /api/v1/products/" + id
	assert.Equal(t, 428, s.call("PUT", path, change).status)
	assert.Equal(t, 412, s.call("PUT", path, change, `If-Match: "7-00"`).status)
	put := s.call("PUT", path, change, "If-Match: "+tag)
	require.Equal(t, 200, put.status, "a sale is no change: %s", put.body)
	assert.Equal(t, "felt-hat", put.json(t)["handle"], "stays if not given")
	assert.Equal(t, 412, s.call("PUT", path, hat, "If-Match: "+tag).status)
	assert.Equal(t, 404, s.call("PUT", "staff /api/v1/products/nope", hat, "If-Match: *").status)

	assert.Equal(t, 428, s.call("DELETE", path, "").status)
	assert.Equal(t, 204, s.call("DELETE", path, "", "If-Match: "+put.header.Get("ETag")).status)
	assert.Equal(t, 404, s.call("GET", "/api/v1/products/felt-hat", "").status)
	assert.NotEqual(t, id, s.add(hat).json(t)["id"], "the handle is free")
}

func TestEditsNeedStaff(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	s.add(hat)
	category := `{"name":"Hats"}`
	for _, c := range [][3]string{
		{"POST", "/api/v1/products", hat}, {"PUT", "/api/v1/products/felt-hat", hat}, {"DELETE", "/api/v1/products/felt-hat", ""},
		{"POST", "/api/v1/categories", category}, {"PUT", "/api/v1/categories/hats", category}, {"DELETE", "/api/v1/categories/hats", ""},
	} {
		assert.Equal(t, 401, s.call(c[0], c[1], c[2]).status, c)
		assert.Equal(t, 403, s.call(c[0], "customer "+c[1], c[2], "If-Match: *").status, c)
	}
}

func TestDraftsAreForStaff(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	s.add(strings.Replace(hat, `{"title"`, `{"status":"draft","title"`, 1))
	assert.Equal(t, 404, s.call("GET", "/api/v1/products/felt-hat", "").status)
	assert.Equal(t, 404, s.call("GET", "customer /api/v1/products/felt-hat", "").status)
	got := s.call("GET", "staff /api/v1/products/felt-hat", "")
	assert.Equal(t, 200, got.status)
	assert.Equal(t, privateCache, got.header.Get("Cache-Control"))
	assert.EqualValues(t, 0, s.get("staff /api/v1/products")["total"], "the public list is the same for all")
	assert.EqualValues(t, 1, s.get("staff /api/v1/products?status=all")["total"])
	assert.Equal(t, 401, s.call("GET", "/api/v1/products?status=draft", "").status)
	assert.Equal(t, 403, s.call("GET", "customer /api/v1/products?status=draft", "").status)
	a := s.call("POST", "/internal/variants", `{"skus":["HAT-M"]}`)
	assert.JSONEq(t, `{"variants":[]}`, string(a.body))
}

func TestBadInputNamesTheField(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	s.add(hat)
	price := `"price":{"amount":1,"currency":"EUR"}`
	for body, want := range map[string]string{
		`{`:             "400",
		`{"title":"x"}`: "422 invalid-request body",
		`{"title":5,"variants":[{` + price + `}]}`:                                               "422 invalid-request body.title",
		`{"title":"x","colour":1,"variants":[{` + price + `}]}`:                                  "422 invalid-request body.colour",
		`{"title":"x","variants":[]}`:                                                            "422 invalid-request body.variants",
		`{"title":"x","variants":null}`:                                                          "422 invalid-request body.variants",
		`{"title":" ","variants":[{` + price + `}]}`:                                             "422 invalid-request body.title",
		`{"title":"x","handle":"A B","variants":[{` + price + `}]}`:                              "422 invalid-request body.handle",
		`{"title":"x","variants":[{"price":{"amount":-1,"currency":"EUR"}}]}`:                    "422 invalid-request body.variants[0].price.amount",
		`{"title":"x","variants":[{"price":{"amount":1.5,"currency":"EUR"}}]}`:                   "422 invalid-request body.variants[0].price.amount",
		`{"title":"x","variants":[{"price":{"amount":1,"currency":"XYZ"}}]}`:                     "422 invalid-request body.variants[0].price.currency",
		`{"title":"x","variants":[{"sku":"HAT-M",` + price + `}]}`:                               "409 conflict body.variants[0].sku",
		`{"title":"x","handle":"felt-hat","variants":[{` + price + `}]}`:                         "409 conflict body.handle",
		`{"title":"x","categories":["none"],"variants":[{` + price + `}]}`:                       "422 invalid-request body.categories[0]",
		`{"title":"x","status":"sold","variants":[{` + price + `}]}`:                             "422 invalid-request body.status",
		`{"title":"x","variants":[{` + price + `}],"images":[{"url":"javascript:x"}]}`:           "422 invalid-request body.images[0].url",
		`{"title":"x","variants":[{` + price + `}],"options":[{"name":"Size"}]}`:                 "422 invalid-request body.variants[0].options.Size",
		`{"title":"x","variants":[{` + price + `}],"tags":["` + strings.Repeat("a", 251) + `"]}`: "422 invalid-request body.tags[0]",
	} {
		a := s.call("POST", "staff /api/v1/products", body)
		assert.Contains(t, fmt.Sprint(a.status, " ", a.problem()), want, body)
	}
	for _, amount := range []string{"1e300", "9223372036854775808", "100000000001", `"5"`} {
		a := s.call("POST", "staff /api/v1/products", `{"title":"x","variants":[{"price":{"amount":`+amount+`,"currency":"EUR"}}]}`)
		assert.True(t, a.status == 422 || a.status == 400, "%s: %d %s", amount, a.status, a.body)
	}
	a := s.call("POST", "staff /api/v1/products", "{\"title\":\"a\xff\",\"variants\":[{"+price+"}]}")
	assert.Less(t, a.status, 500)
	assert.GreaterOrEqual(t, a.status, 400)
	for _, query := range []string{"limit=0", "limit=101", "limit=x", "cursor=abc", "sort=best", "minPrice=-1", "currency=eur", "currency=XYZ", "inStock=maybe", "colour=red", "q=" + strings.Repeat("x", 201)} {
		a := s.call("GET", "/api/v1/products?"+query, "")
		assert.Equal(t, 422, a.status, query)
		assert.Contains(t, a.problem(), "query."+strings.Split(query, "=")[0])
	}
	for _, path := range []string{"/api/v1/products/nothing", "/api/v1/products/..%2f..", "/api/v1/products/%ff", "/api/v1/categories/x", "/media/x.svg", "/media/felt-fedora"} {
		assert.Equal(t, 404, s.call("GET", path, "").status, path)
	}
}

func TestListSearchAndFacets(t *testing.T) {
	t.Parallel()
	s := open(t, true)
	require.Eventually(t, func() bool { return s.service.Ready(t.Context()) == nil }, testPatience, testTick)
	handles := func(query string) (all []string) {
		cursor := ""
		for {
			page := s.get("/api/v1/products?" + query + cursor)
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
	for _, typed := range []string{"umbr", "umbrella", "umbrellas", "Umbrela", "UMBRELLA!"} {
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
	facets := s.get("/api/v1/products?brand=Pelham")["facets"].(map[string]any)
	assert.Equal(t, []any{map[string]any{"value": "accessories", "count": 3.0}, map[string]any{"value": "umbrellas", "count": 3.0}}, facets["category"])
	assert.Greater(t, len(facets["brand"].([]any)), 3, "other brands to choose")

	first := s.get("/api/v1/products?limit=1")
	a := s.call("GET", "/api/v1/products?limit=1&sort=title&cursor="+first["nextCursor"].(string), "")
	assert.Equal(t, 422, a.status, "a cursor of another order")
	list := s.call("GET", "/api/v1/products?q=boater", "")
	assert.Equal(t, 304, s.call("GET", "/api/v1/products?q=boater", "", "If-None-Match: "+list.header.Get("ETag")).status)
	assert.False(t, list.json(t)["items"].([]any)[0].(map[string]any)["inStock"].(bool))
	s.stock.set("STRAW-BOATER-M", 1)
	assert.Equal(t, 200, s.call("GET", "/api/v1/products?q=boater", "", "If-None-Match: "+list.header.Get("ETag")).status)
}

func TestSearchFollowsChangesAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	for i := range 20 {
		s.add(fmt.Sprintf(`{"title":"Gizmo %d","variants":[{"price":{"amount":1,"currency":"EUR"}}]}`, i))
		assert.EqualValues(t, i+1, s.get("/api/v1/products?q=gizmo")["total"])
	}
}

func TestDemoIsLoadedOnce(t *testing.T) {
	t.Parallel()
	s := open(t, true)
	twin := reopen(s, t, true)
	for _, s := range []*shop{s, twin} {
		require.Eventually(t, func() bool { return s.service.Ready(t.Context()) == nil }, testPatience, testTick)
	}
	last := reopen(s, t, true)
	require.Eventually(t, func() bool { return last.service.Ready(t.Context()) == nil }, testPatience, testTick)
	for _, it := range demo.Items() {
		for sku, n := range it.Counts {
			assert.Equal(t, n, s.stock.levels[sku], sku)
		}
	}
	p := last.get("/api/v1/products/felt-fedora")
	for _, image := range p["images"].([]any) {
		a := s.call("GET", image.(map[string]any)["url"].(string), "")
		assert.Equal(t, []any{200, "image/svg+xml"}, []any{a.status, a.header.Get("Content-Type")})
		assert.Contains(t, a.header.Get("Cache-Control"), "max-age=604800")
	}
}

func TestCategories(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	assert.Equal(t, "[]", string(s.call("GET", "/api/v1/categories", "").body))
	made := s.call("POST", "staff /api/v1/categories", `{"name":"Hats & Caps"}`)
	require.Equal(t, 201, made.status, "%s", made.body)
	assert.Equal(t, "hats-caps", made.json(t)["handle"])
	assert.Equal(t, 201, s.call("POST", "staff /api/v1/categories", `{"handle":"felt","name":"Felt","parent":"hats-caps"}`).status)
	for body, want := range map[string]string{
		`{"name":"Felt"}`: "409 conflict body.handle", `{"name":"x","parent":"none"}`: "422 invalid-request body.parent",
		`{"name":""}`: "422 invalid-request body.name", `{"name":"!"}`: "422 invalid-request body.handle", `{"nom":"x"}`: "422",
	} {
		a := s.call("POST", "staff /api/v1/categories", body)
		assert.Contains(t, fmt.Sprint(a.status, " ", a.problem()), want, body)
	}
	s.add(strings.Replace(hat, `{"title"`, `{"categories":["felt"],"title"`, 1))
	assert.JSONEq(t, `[{"handle":"hats-caps","name":"Hats & Caps","productCount":1,"children":[{"handle":"felt","name":"Felt","productCount":1,"children":[]}]}]`,
		string(s.call("GET", "/api/v1/categories", "").body))
	tag := s.call("GET", "/api/v1/categories/felt", "").header.Get("ETag")
	put := s.call("PUT", "staff /api/v1/categories/felt", `{"name":"Felt hats"}`, "If-Match: "+tag)
	require.Equal(t, 200, put.status, "%s", put.body)
	assert.Equal(t, 412, s.call("PUT", "staff /api/v1/categories/felt", `{"name":"x"}`, "If-Match: "+tag).status)
	assert.Equal(t, "409 category-in-use", fmt.Sprint(s.call("DELETE", "staff /api/v1/categories/felt", "").status, " ", s.call("DELETE", "staff /api/v1/categories/felt", "").problem()))
	assert.Equal(t, 204, s.call("DELETE", "staff /api/v1/categories/hats-caps", "").status)
	assert.Equal(t, 404, s.call("DELETE", "staff /api/v1/categories/hats-caps", "").status)
}

func TestVariantsForOtherServices(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	s.add(hat)
	s.stock.set("HAT-M", 7)
	a := s.call("POST", "/internal/variants", `{"skus":["HAT-M","NOPE","HAT-M","FELT-HAT-S"]}`)
	var reply contract.VariantsReply
	require.NoError(t, json.Unmarshal(a.body, &reply))
	require.Len(t, reply.Variants, 2)
	v := reply.Variants[0]
	assert.Equal(t, []any{"HAT-M", "felt-hat", "Felt hat – M", "https://x.test/1.jpg", int64(4500), int64(7), false, true, int64(120)},
		[]any{v.SKU, v.Handle, v.Title, v.Image, v.Price.Amount, v.Available, v.Taxable, v.ShippedGoods, v.Grams})
	assert.Equal(t, 422, s.call("POST", "/internal/variants", `{"skus":[]}`).status)
}

func TestWhatBuyersWereShownIsCompared(t *testing.T) {
	t.Parallel()
	s := open(t, false)
	s.add(hat)
	eur := func(n int64) money.Money { return money.New(n, "EUR") }
	as := contract.Shown{SKU: "HAT-M", UnitPrice: eur(4500), Shipped: true}
	gone, changed, err := s.service.Compare(t.Context(), []contract.Shown{as})
	require.NoError(t, err)
	assert.Empty(t, gone)
	assert.Empty(t, changed)

	dearer, taxed, carried, foreign := as, as, as, as
	dearer.UnitPrice, taxed.Taxable, carried.Shipped, foreign.UnitPrice = eur(4400), true, false, money.New(4500, "USD")
	gone, changed, err = s.service.Compare(t.Context(), []contract.Shown{dearer, taxed, carried, foreign, {SKU: "NOPE", UnitPrice: eur(1)}})
	assert.Equal(t, []contract.PriceChangedLine{{SKU: "HAT-M", Was: eur(4400), Now: eur(4500)}, {SKU: "HAT-M", Was: eur(4500), Now: eur(4500)},
		{SKU: "HAT-M", Was: eur(4500), Now: eur(4500)}}, changed)
	require.NoError(t, err)
	assert.Equal(t, []string{"HAT-M", "NOPE"}, gone)
}

// A replica says of nothing that it is not there, and of no price that it has changed, that another one has just written.
func TestReplicasKnowWhatOthersHaveWritten(t *testing.T) {
	t.Parallel()
	a := open(t, false)
	b := reopen(a, t, false)
	a.add(hat)
	assert.Equal(t, 200, b.call("GET", "/api/v1/products/felt-hat", "").status)
	c := reopen(a, t, false)
	a.add(strings.NewReplacer("Felt hat", "Other hat", "felt-hat", "other-hat", "HAT-", "OTHER-").Replace(hat))
	known, err := b.service.HasSKU(t.Context(), "OTHER-M")
	require.NoError(t, err)
	assert.True(t, known)
	gone, changed, err := c.service.Compare(t.Context(), []contract.Shown{{SKU: "OTHER-M", UnitPrice: money.New(4500, "EUR"), Shipped: true}})
	require.NoError(t, err)
	assert.Empty(t, gone)
	assert.Empty(t, changed)
}
