package apidoc

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// doc parses a document.
func doc(t *testing.T, text string) Document {
	t.Helper()
	d, err := Parse([]byte(text))
	require.NoError(t, err)
	return d
}

func TestMergeRenamesComponentsThatClash(t *testing.T) {
	t.Parallel()
	service := func(path, idType string) string {
		return `{"paths": {
			"` + path + `": {"get": {"operationId": "read", "responses": {"200": {"content": {"application/json":
				{"schema": {"$ref": "#/components/schemas/List"}}}}}}},
			"/internal/x": {"get": {"schema": {"$ref": "#/components/schemas/Hidden"}}}},
			"components": {"schemas": {
				"List": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
				"Item": {"properties": {"id": {"type": "` + idType + `"}, "price": {"$ref": "#/components/schemas/Money"}}},
				"Money": {"type": "object"}, "Hidden": {"type": "object"}}, "securitySchemes": {"bearer": {"type": "http"}}}}`
	}
	sources := []Source{
		{Service: "cart", Doc: doc(t, service("/carts", "string"))},
		{Service: "orders", Doc: doc(t, service("/orders", "integer"))},
	}
	before, _ := json.Marshal(sources)
	merged := Merge("Shop", "1", sources, func(_, path string) bool { return path != "/internal/x" })
	after, _ := json.Marshal(sources)
	require.JSONEq(t, string(before), string(after))

	require.Len(t, merged["paths"], 2)
	schemas := child(child(merged, "components"), "schemas")
	require.ElementsMatch(t, []string{"CartList", "OrdersList", "CartItem", "OrdersItem", "Money"}, sortedKeys(schemas))
	require.Equal(t, Document{"$ref": "#/components/schemas/CartItem"}, asDoc(schemas["CartList"])["items"])
	require.Contains(t, child(child(merged, "components"), "securitySchemes"), "bearer")
	text, err := json.Marshal(child(merged, "paths")["/orders"])
	require.NoError(t, err)
	require.Contains(t, string(text), "#/components/schemas/OrdersList")
	require.Contains(t, string(text), `"orders-read"`)
	walkRefs(merged, func(ref string) { require.Contains(t, schemas, ref[len("schemas/"):]) })
}

// The document of an app that has joined changes no name of others, whatever it calls its components.
func TestMergeKeepsJoinedAppsApart(t *testing.T) {
	t.Parallel()
	own := Source{Service: "cart", Doc: doc(t, `{
		"paths": {"/carts": {"get": {"x": {"$ref": "#/components/schemas/Money"}}}},
		"components": {"schemas": {"Money": {"type": "object"}}, "securitySchemes": {"bearer": {"type": "http"}}}}`)}
	joined := Source{Service: "loyalty", Joined: true, Doc: doc(t, `{"paths": {
		"/loyalty": {"get": {"x": {"$ref": "#/components/schemas/Money"}}}, "/carts": {"get": {"stolen": true}}},
		"components": {"schemas": {"Money": {"type": "string"}}, "securitySchemes": {"bearer": {"type": "apiKey"}}}}`)}
	merged := Merge("Shop", "1", []Source{own, joined}, func(string, string) bool { return true })
	components := child(merged, "components")
	require.Equal(t, Document{"Money": Document{"type": "object"}, "LoyaltyMoney": Document{"type": "string"}},
		child(components, "schemas"))
	require.Equal(t, Document{"bearer": Document{"type": "http"}}, child(components, "securitySchemes"))
	text, err := json.Marshal(merged["paths"])
	require.NoError(t, err)
	require.Contains(t, string(text), "#/components/schemas/LoyaltyMoney")
	require.NotContains(t, string(text), "stolen")
}

func TestPageEscapesTextsOfServices(t *testing.T) {
	t.Parallel()
	d := doc(t, `{"info": {"title": "T"}, "paths": {"/x": {"get": {
		"tags": ["<b>"], "summary": "<script>alert(1)</script>", "operationId": "\" onload=x",
		"parameters": [{"name": "q", "in": "query", "schema": {
			"type": ["string", "null"], "enum": ["a", "b"], "maximum": 1000000}}]}}}}`)
	page, err := Page(d)
	require.NoError(t, err)
	require.NotContains(t, string(page), "<script")
	require.NotContains(t, string(page), `" onload`)
	require.Contains(t, string(page), "one of a, b; at most 1000000")
	require.Contains(t, string(page), "string or null")
}

func TestParseRefusesInvalidDocuments(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", "{}", `{"paths": []}`, "no"} {
		_, err := Parse([]byte(text))
		require.Error(t, err, text)
	}
}

// A defective document of a service is rendered as far as possible, and does not make the page unavailable.
func FuzzMerge(f *testing.F) {
	f.Add(`{"paths": {"/x": {"get": {"responses": {"200": null}}}},
		"components": {"schemas": {"A": {"$ref": "#/components/schemas/A"}}}}`)
	f.Add(`{"paths": {"/x": null, "/y": []}, "components": []}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse([]byte(text))
		if err != nil {
			return
		}
		sources := []Source{{Service: "a", Doc: d}, {Service: "b", Doc: d, Joined: true}}
		merged := Merge("T", "1", sources, func(string, string) bool { return true })
		_, err = Page(merged)
		require.NoError(t, err)
	})
}

func TestIntroduceDescribesDocumentAndTags(t *testing.T) {
	t.Parallel()
	d := Merge("Shop", "1", nil, nil)
	Introduce(d, "Sells hats.", []Tag{{Name: "Hats", Description: "Felt"}})
	require.Equal(t, "Sells hats.", d["info"].(Document)["description"])
	require.Equal(t, []any{Document{"name": "Hats", "description": "Felt"}}, d["tags"])
}

func TestUnknownSchemaKeywordsAreLeftOut(t *testing.T) {
	t.Parallel()
	source := doc(t, `{"paths":{"/a":{"get":{"parameters":[
		{"name":"id","schema":{"pattern":"^x$","patternDescription":"an x"}}]}}}}`)
	all := func(string, string) bool { return true }
	merged, err := json.Marshal(Merge("Shop", "1", []Source{{Service: "a", Doc: source}}, all))
	require.NoError(t, err)
	require.Contains(t, string(merged), `"pattern":"^x$"`)
	require.NotContains(t, string(merged), "patternDescription")
}
