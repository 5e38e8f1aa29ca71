package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// bodies has a valid body for each operation that takes JSON. The tests make each member of them invalid in turn.
var bodies = map[string]string{
	"POST /api/v1/products":                     productBody,
	"PUT /api/v1/products/{}":                   productBody,
	"POST /api/v1/categories":                   `{"handle":"hats","name":"Hats"}`,
	"PUT /api/v1/categories/{}":                 `{"name":"Hats"}`,
	"POST /api/v1/stock/{}/adjustments":         `{"delta":1,"reason":"count"}`,
	"PUT /api/v1/faults/{}/{}":                  `{"variant":"off","minutes":1}`,
	"POST /api/v1/carts":                        `{"currency":"EUR"}`,
	"PUT /api/v1/carts/{}/items/{}":             `{"quantity":1}`,
	"POST /api/v1/carts/{}/coupons":             `{"code":"WELCOME10"}`,
	"PUT /api/v1/carts/{}/shipping":             `{"address":` + addressBody + `,"option":"standard"}`,
	"POST /api/v1/orders":                       placementBody,
	"POST /api/v1/orders/{}/cancel":             `{"reason":"changed my mind"}`,
	"POST /api/v1/orders/{}/returns":            `{"lines":[{"sku":"x","quantity":1}],"reason":"too small"}`,
	"POST /api/v1/orders/{}/fulfilments":        fulfilmentBody,
	"POST /api/v1/orders/{}/returns/{}/receive": `{"restock":true}`,
	"POST /api/v1/orders/{}/refunds":            `{"amount":{"amount":1,"currency":"EUR"},"reason":"late"}`,
	"POST /api/v1/auth/register":                `{"email":"x@example.test","password":"a long password","name":"X"}`,
	"POST /api/v1/auth/login":                   `{"email":"x@example.test","password":"a long password"}`,
	"POST /api/v1/auth/refresh":                 `{"refreshToken":"x"}`,
	"POST /api/v1/auth/logout":                  `{"refreshToken":"x"}`,
	"POST /api/v1/auth/verify-email":            `{"token":"x"}`,
	"POST /api/v1/auth/forgot-password":         `{"email":"x@example.test"}`,
	"POST /api/v1/auth/reset-password":          `{"token":"x","password":"a long password"}`,
	"PATCH /api/v1/me":                          `{"name":"X"}`,
	"DELETE /api/v1/me":                         `{"password":"a long password"}`,
	"POST /api/v1/me/password":                  `{"currentPassword":"a long password","newPassword":"another long one"}`,
	"POST /api/v1/me/email":                     `{"email":"y@example.test","currentPassword":"a long password"}`,
	"POST /api/v1/me/addresses":                 addressBody,
	"POST /api/v1/me/totp":                      passwordBody,
	"POST /api/v1/me/passkey":                   passwordBody,
	"PUT /api/v1/me/addresses/{}":               addressBody,
	"PUT /api/v1/users/{}/roles":                `{"roles":["customer"]}`,
	"POST /api/v1/auth/second-factor":           `{"challenge":"x","code":"000000"}`,

	"POST /api/v1/me/totp/confirmation":    `{"enrolment":"x","name":"Phone","code":"000000"}`,
	"POST /api/v1/me/passkey/confirmation": `{"enrolment":"x","name":"Laptop","passkey":{}}`,
	"POST /api/v1/me/recovery-codes":       passwordBody,
	"DELETE /api/v1/me/second-factors/{}":  passwordBody,

	"PUT /api/v1/read-only": `{"readOnly":false}`, // a read-only shop would break all tests
}

const (
	passwordBody = `{"currentPassword":"a long password"}`
	addressBody  = `{"name":"Ada","line1":"Street 1","city":"Berlin","postalCode":"10117","country":"DE"}`
	productBody  = `{"handle":"a-hat","title":"Hat","variants":[{"sku":"HAT","price":{"amount":100,"currency":"EUR"}}]}`

	placementBody = `{"cartId":"x","email":"ada@example.test","shippingAddress":` + addressBody +
		`,"payment":{"method":"card","token":"tok_visa"}}`
	fulfilmentBody = `{"lines":[{"sku":"x","quantity":1}],"carrier":"DHL","trackingNumber":"1"}`
)

var parameter = regexp.MustCompile(`\{[^/]*\}`)

// operation is an operation in the OpenAPI document.
type operation struct {
	OperationID string
	Summary     string
	Tags        []string
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   struct {
			Type, Pattern string
			Enum          []any
		}
	}
	RequestBody struct{ Content map[string]json.RawMessage }
	Responses   map[string]response
	Security    []map[string][]string

	path string // with the names of the parameters
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]json.RawMessage
}

func (o operation) takesJSON() bool { return o.RequestBody.Content["application/json"] != nil }

// document reads the shop's OpenAPI document.
func document(t *testing.T) []byte {
	t.Helper()
	a, err := sharedClient.Do(t.Context(), api.Request{Method: http.MethodGet, Path: "/openapi.json"})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status)
	return a.Body
}

// operations returns the operations of the document by names such as "PUT /api/v1/carts/{}/items/{}".
func operations(t *testing.T) map[string]operation {
	t.Helper()
	var d struct {
		OpenAPI    string
		Paths      map[string]map[string]operation
		Components struct{ Responses map[string]response }
	}
	require.NoError(t, json.Unmarshal(document(t), &d))
	require.Regexp(t, `^3\.1\.`, d.OpenAPI)
	found := map[string]operation{}
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.path = path
			for status, answer := range o.Responses {
				if name, ok := strings.CutPrefix(answer.Ref, "#/components/responses/"); ok {
					o.Responses[status] = d.Components.Responses[name]
				}
			}
			found[strings.ToUpper(method)+" "+parameter.ReplaceAllString(path, "{}")] = o
		}
	}
	return found
}

func TestDocumentedRoutes(t *testing.T) {
	guest(t)
	found := operations(t)
	for _, needed := range []string{
		"GET /api/v1/products", "GET /api/v1/products/{}", "GET /api/v1/categories", "POST /api/v1/products/import",
		"GET /api/v1/stock/{}", "POST /api/v1/stock/{}/adjustments", "POST /api/v1/carts", "GET /api/v1/carts/{}",
		"GET /api/v1/carts/mine", "PUT /api/v1/carts/{}/items/{}", "DELETE /api/v1/carts/{}/items/{}",
		"PUT /api/v1/carts/{}/shipping", "GET /api/v1/carts/{}/shipping-options", "POST /api/v1/orders",
		"GET /api/v1/orders", "GET /api/v1/orders/{}", "GET /api/v1/orders/{}/events", "POST /api/v1/auth/register",
		"POST /api/v1/auth/login", "GET /api/v1/me",
	} {
		_, ok := found[needed]
		assert.True(t, ok, "%s is not described", needed)
	}
}

func TestEveryRouteRefusesBadBodies(t *testing.T) {
	guest(t)
	for name, o := range operations(t) {
		if !o.takesJSON() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			valid, ok := bodies[name]
			require.True(t, ok, "the test has no valid body for this operation")
			assertBadBodiesRefused(t, name, valid)
		})
	}
}

// assertBadBodiesRefused sends malformed, oversized and invalid bodies to an operation.
func assertBadBodiesRefused(t *testing.T, operation, valid string) {
	method, path, _ := strings.Cut(operation, " ")
	request := func(body string) api.Request {
		return api.Request{
			Method: method, Path: strings.ReplaceAll(path, "{}", "unknown"), Body: body,
			Header: map[string]string{"If-Match": "*", "Idempotency-Key": api.NewKey()},
		}
	}
	for _, body := range []string{
		"{", `{"a":1`, "[]", `"text"`, "1", valid + "}", valid + valid, "{\"\xff\":1}",
		strings.Replace(valid, `":"`, "\":\"\xc3\x28", 1) + "\xff", strings.Repeat("[", 50_000),
	} {
		assertRefused(t, staff(t), request(body), "")
	}
	for _, size := range []int{1<<20 + 1, 6 << 20} {
		p := assertRefused(t, staff(t), request(`{"surprise":"`+strings.Repeat("x", size)+`"}`), "")
		assert.Equal(t, http.StatusRequestEntityTooLarge, p.Status)
	}
	r := request(valid)
	r.Header["Content-Type"] = "text/plain"
	assert.Equal(t, http.StatusUnsupportedMediaType, assertRefused(t, staff(t), r, "").Status)

	var example any
	require.NoError(t, json.Unmarshal([]byte(valid), &example))
	for _, invalid := range invalidBodies(example, "body") {
		body, err := json.Marshal(invalid.value)
		require.NoError(t, err)
		p := assertRefused(t, staff(t), request(string(body)), invalid.location)
		assert.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, p.Status, "%s", body)
	}
}

// invalidBody is a JSON value with one error.
type invalidBody struct {
	value    any
	location string // of the error
}

// invalidBodies returns variants of a JSON value: each has one member of the wrong type, or one unknown member.
func invalidBodies(v any, at string) []invalidBody {
	var list []invalidBody
	switch v := v.(type) {
	case map[string]any:
		list = append(list, invalidBody{with(v, "surprise", 1), at + ".surprise"})
		if at != "body" {
			list = append(list, invalidBody{"text", at}, invalidBody{[]any{}, at})
		}
		for name, member := range v {
			for _, s := range invalidBodies(member, at+"."+name) {
				list = append(list, invalidBody{with(v, name, s.value), s.location})
			}
		}
	case []any:
		list = append(list, invalidBody{"text", at}, invalidBody{map[string]any{}, at})
		for i, member := range v {
			for _, s := range invalidBodies(member, fmt.Sprintf("%s[%d]", at, i)) {
				changed := append([]any{}, v...)
				changed[i] = s.value
				list = append(list, invalidBody{changed, s.location})
			}
		}
	case string:
		list = append(list, invalidBody{12, at}, invalidBody{map[string]any{}, at})
	case float64:
		list = append(list, invalidBody{"12", at}, invalidBody{1.5, at}, invalidBody{[]any{1}, at})
	case bool:
		list = append(list, invalidBody{"true", at}, invalidBody{1, at})
	}
	return list
}

// with returns a copy of m with one more or another member.
func with(m map[string]any, name string, value any) map[string]any {
	changed := map[string]any{name: value}
	for k, v := range m {
		if k != name {
			changed[k] = v
		}
	}
	return changed
}
