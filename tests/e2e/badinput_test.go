package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// assertRefused asserts that the answer has a status of 4xx and is a problem, which the client checks. If location is
// not empty, the problem must name it as the wrong input. The test goes on after a failure, so that it reports all
// cases.
func assertRefused(t *testing.T, c *api.Client, r api.Request, location string) *api.Problem {
	t.Helper()
	a, err := c.Do(t.Context(), r)
	if !assert.NoError(t, err) {
		return &api.Problem{}
	}
	assert.True(t, a.Status >= 400 && a.Status < 500, "%s %.120s answered %d: %.300s", r.Method, r.Path, a.Status, a.Body)
	p := a.Problem()
	if location != "" {
		assert.True(t, hasError(p, location), "%s %.120s with %.200v: the problem should name %s: %v",
			r.Method, r.Path, r.Body, location, p)
	}
	return p
}

// hasError reports whether the problem names the location of a wrong input.
func hasError(p *api.Problem, location string) bool {
	return slices.ContainsFunc(p.Errors, func(e struct{ Location, Message string }) bool {
		return e.Location == location
	})
}

func TestInvalidQuantitiesAreRefused(t *testing.T) {
	c := guest(t)
	sku := importProduct(t, 3)
	cart := cartWith(t, c, sku)
	path := "/api/v1/carts/" + cart.ID + "/items/" + sku
	set := func(body string) api.Request {
		return api.Request{Method: http.MethodPut, Path: path, Header: map[string]string{"If-Match": cart.ETag}, Body: body}
	}
	for _, quantity := range []string{
		"-1", "1000000000000000000", "1e18", "9223372036854775808", "1e400", "1.5", `"2"`, "null", "true", "[]", "{}",
	} {
		p := assertRefused(t, c, set(`{"quantity":`+quantity+`}`), "")
		named := hasError(p, "body.quantity") || hasError(p, "body") && quantity == "1e400"
		assert.True(t, named, "quantity %s: %v", quantity, p)
	}
	assertRefused(t, c, set(`{}`), "body.quantity")
	after, err := c.Cart(t.Context(), cart.ID)
	require.NoError(t, err)
	require.Equal(t, cart, after, "a refused request changes nothing")

	emptied, err := c.SetItem(t.Context(), cart, sku, 0)
	require.NoError(t, err)
	require.Empty(t, emptied.Items)
	_, err = c.SetItem(t.Context(), emptied, "no-such-sku", 1)
	requireProblem(t, err, http.StatusNotFound, "unknown-sku")
	_, err = c.SetItem(t.Context(), emptied, sku, 1_000_000)
	requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-quantity")
}

func TestStockAdjustments(t *testing.T) {
	guest(t)
	sku := importProduct(t, 3)
	adjust := func(sku, body string) api.Request {
		return api.Request{
			Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
			Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: body,
		}
	}
	for _, delta := range []string{"0", "1000000000000000000", "-1000000000000000000", "1.5", `"2"`, "null"} {
		assertRefused(t, staff(t), adjust(sku, `{"reason":"count","delta":`+delta+`}`), "body.delta")
	}
	assertRefused(t, staff(t), adjust(sku, `{"reason":"count","delta":-4}`), "")
	assertRefused(t, staff(t), adjust("no-such-sku", `{"reason":"count","delta":1}`), "")
	assertRefused(t, sharedClient, adjust(sku, `{"reason":"count","delta":1}`), "")
	r := adjust(sku, `{"reason":"count","delta":1}`)
	for range 2 { // a repetition has no effect
		a, err := staff(t).Do(t.Context(), r)
		require.NoError(t, err)
		var stock api.Stock
		require.NoError(t, a.Decode(&stock))
		require.Equal(t, api.Stock{SKU: sku, OnHand: 4, Available: 4}, stock)
	}
	r.Header = nil
	assertRefused(t, staff(t), r, "")
}

func TestInvalidPlacementsAreRefused(t *testing.T) {
	c := guest(t)
	cart := cartWith(t, c, importProduct(t, 1))
	const valid = `{"cartId":"CART","email":"ada@example.test","shippingAddress":{"name":"Ada","line1":"Street 1",` +
		`"city":"Berlin","postalCode":"10117","country":"DE"},"payment":{"method":"card","token":"tok_visa"}}`
	for _, bad := range []struct{ old, new, location string }{
		{`"ada@example.test"`, `"not an address"`, "body.email"},
		{`"ada@example.test"`, `"ada@example.test\r\nBcc: eve@example.test"`, "body.email"},
		{`"ada@example.test"`, `"` + strings.Repeat("a", 400) + `@example.test"`, "body.email"},
		{`"ada@example.test"`, `null`, "body.email"},
		{`"email"`, `"e-mail"`, "body.email"},
		{`"DE"`, `"de"`, "body.shippingAddress.country"},
		{`"DE"`, `"XX"`, "body.shippingAddress.country"},
		{`"Ada"`, `""`, "body.shippingAddress.name"},
		{`"Ada"`, `"   "`, "body.shippingAddress.name"},
		{`"Ada"`, `"` + strings.Repeat("a", 5000) + `"`, "body.shippingAddress.name"},
		{`"card"`, `"cheque"`, "body.payment.method"},
		{`"tok_visa"`, `""`, "body.payment.token"},
		{`"tok_visa"`, `4242424242424242`, "body.payment.token"},
		{`"tok_visa"`, `"4242424242424242"`, ""},
		{`"tok_visa"`, `"tok_unheard_of"`, ""},
		{`"payment"`, `"shippingOption":"teleport","payment"`, "body.shippingOption"},
		{`"CART"`, `"unknown"`, ""},
		{`"CART"`, `""`, "body.cartId"},
		{`"CART"`, `"../../internal"`, ""},
	} {
		require.Contains(t, valid, bad.old)
		body := strings.Replace(strings.Replace(valid, bad.old, bad.new, 1), "CART", cart.ID, 1)
		assertRefused(t, c, api.Request{
			Method: http.MethodPost, Path: "/api/v1/orders",
			Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: body,
		}, bad.location)
	}
	assertRefused(t, c, api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders",
		Header: map[string]string{"Idempotency-Key": strings.Repeat("k", 5000)},
		Body:   strings.Replace(valid, "CART", cart.ID, 1),
	}, "header.Idempotency-Key")
	// No refused placement has reserved the last piece.
	order, err := c.Checkout(t.Context(), cart, api.Visa, api.NewKey())
	require.NoError(t, err)
	require.Equal(t, "confirmed", order.Status)
}

func TestInvalidQueriesAreRefused(t *testing.T) {
	c := guest(t)
	for _, list := range []struct {
		as   *api.Client
		path string
	}{{c, "/api/v1/products"}, {staff(t), "/api/v1/orders"}} {
		for _, bad := range []string{
			"limit=0", "limit=101", "limit=-1", "limit=many", "limit=1e2", "cursor=%40%40", "cursor=AAAA", "surprise=1",
		} {
			name, _, _ := strings.Cut(bad, "=")
			assertRefused(t, list.as, api.Request{Method: http.MethodGet, Path: list.path + "?" + bad}, "query."+name)
		}
	}
	for _, bad := range []string{
		"sort=upwards", "minPrice=cheap", "minPrice=-1", "maxPrice=1.5", "inStock=maybe", "currency=XXX", "currency=euro",
		"q=%FF%FE", "q=" + strings.Repeat("long", 1000),
	} {
		name, _, _ := strings.Cut(bad, "=")
		assertRefused(t, c, api.Request{Method: http.MethodGet, Path: "/api/v1/products?" + bad}, "query."+name)
	}
	assertRefused(t, staff(t), api.Request{Method: http.MethodGet, Path: "/api/v1/orders?status=lost"}, "query.status")
}

// The ids do not exist, and some of them try to address another path.
func TestHostilePathsAreRefused(t *testing.T) {
	c := guest(t)
	ids := []string{
		"unknown", "..", ".", "%2e%2e", "..%2f..%2finternal%2fvariants", "../../internal/variants", "..%5c..%5cinternal",
		"%00", "a%00b", "%FF", "%F0%9F%A7%B5", "%20", "a%0d%0aX-Evil:%201", "a||b", "*", "0", "-1",
		url.PathEscape(`{"$ne":1}`), "a%23b", "a%3Fb", "x/../../orders",
		strings.Repeat("x", 2_000), strings.Repeat("x", 20_000),
	}
	for _, path := range []string{
		"/api/v1/products/{}", "/api/v1/carts/{}", "/api/v1/carts/{}/shipping-options", "/api/v1/orders/{}",
		"/api/v1/orders/{}/events", "/api/v1/stock/{}", "/api/v1/{}", "/{}",
	} {
		for _, id := range ids {
			if path == "/{}" && (id == "." || id == "..") {
				continue // the root, which exists
			}
			assertRefused(t, staff(t), api.Request{Method: http.MethodGet, Path: strings.Replace(path, "{}", id, 1)}, "")
		}
	}
	// The routes between services and the API of the sidecars are not public.
	for _, path := range []string{
		"/internal/variants", "/internal/quotes", "/internal/orders/x/decision", "/api/v1/internal/variants",
		"/catalog/internal/variants", "/feed/orders", "/dapr/subscribe", "/dapr/config", "/v1.0/metadata",
		"/v1.0/state/state/x", "/v1.0/invoke/orders/method/healthz",
		"//internal/variants", "/api/v1//internal/variants", "/api/v2/products",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			assertRefused(t, c, api.Request{Method: method, Path: path}, "")
			header := map[string]string{"dapr-app-id": "orders", "dapr-api-token": "x"}
			assertRefused(t, c, api.Request{Method: method, Path: path, Header: header}, "")
		}
	}
}

func TestInvalidTokensAreRefused(t *testing.T) {
	c := guest(t)
	customer, user := customer(t)
	headers := []string{
		"Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer a.b.c", "Bearer " + unsignedToken(user.ID),
	}
	for _, forged := range forgeries(t, customer.Token) {
		headers = append(headers, "Bearer "+forged.Token)
	}
	for _, header := range headers {
		a, err := c.Do(t.Context(), api.Request{
			Method: http.MethodGet, Path: "/api/v1/me", Header: map[string]string{"Authorization": header},
		})
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, a.Status, header)
		require.NotEmpty(t, a.Header.Get("WWW-Authenticate"))
	}
	_, err := c.Register(t.Context(), api.NewEmail(), "short", "Ada")
	require.Error(t, err)
	require.True(t, hasError(requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-request"), "body.password"))
	// Hostile names are accepted or refused, but never cause another error.
	for _, name := range []string{
		"a\x00b", "\u202eevil", "<b>", strings.Repeat("é", 5000), "a\r\nBcc: eve@example.test", "'; drop table users; --",
	} {
		if _, err := c.Register(t.Context(), api.NewEmail(), api.NewKey(), name); err != nil {
			p := requireProblem(t, err, http.StatusUnprocessableEntity, "invalid-request")
			require.True(t, hasError(p, "body.name"), "%q: %v", name, err)
		}
	}
}

// unsignedToken returns an access token of the user with alg: none and without a signature (RFC 8725, section 2.1).
func unsignedToken(user string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	claims := fmt.Sprintf(`{"iss":"haberdash","sub":%q,"exp":4102444800,"roles":["admin"]}`, user)
	return part(`{"alg":"none","typ":"JWT"}`) + "." + part(claims) + "."
}

// memberName is the name of a member in a JSON text.
var memberName = regexp.MustCompile(`"([A-Za-z]+)":`)

// Two programs may read an ambiguous body differently. So no member may be there twice, and none in another case.
func TestAmbiguousBodiesAreRefused(t *testing.T) {
	guest(t)
	shared, done := newFixture(t), map[string]bool{}
	for _, r := range rules(t) {
		name := r.operation()
		request := shared.request(r)
		body, ok := request.Body.(string)
		if done[name] || !ok || request.Header["Content-Type"] != "" { // the import has lines: see the importer's tests
			continue
		}
		done[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range memberName.FindAllStringSubmatchIndex(body, -1) {
				name := body[at[2]:at[3]]
				for added, message := range map[string]string{
					name: "is there more than once", strings.ToUpper(name): "unexpected property",
				} {
					changed := request
					changed.Body = body[:at[0]] + `"` + added + `":"x",` + body[at[0]:]
					a := sendRequest(t, shared.allowedCaller(r), changed)
					named := slices.ContainsFunc(a.Problem().Errors, func(e struct{ Location, Message string }) bool {
						return strings.HasSuffix(e.Location, "."+added) && e.Message == message
					})
					assert.True(t, named, "%s %s with %s answers %d: %s", r.method, r.path, changed.Body, a.Status, a.Body)
				}
			}
		})
	}
	require.Greater(t, len(done), 20)
}
