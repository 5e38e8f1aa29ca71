package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// fixture has objects of one customer and of one guest, and callers who may or may not have access to them.
type fixture struct {
	values        map[string]string        // ids of objects, by their names in the access table
	callers       map[string][]*api.Client // by their names in the access table
	strangerToken string                   // token of the stranger's order
	owner         *api.Client              // the customer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := t.Context()
	f := &fixture{values: map[string]string{
		"app": "cart", "letter": "orders:orders:9007199254740991", "flag": "full-disk",
		"coupon": "WELCOME10", "factor": "none",
		"password": api.NewKey(), "email": api.NewEmail(),
	}}
	user, err := sharedClient.Register(ctx, f.values["email"], f.values["password"], "Ada Byron")
	require.NoError(t, err)
	session, err := sharedClient.Login(ctx, f.values["email"], f.values["password"])
	require.NoError(t, err)
	f.owner, f.values["user"] = sharedClient.As(session.AccessToken), user.ID
	other, _ := customer(t)
	f.callers = map[string][]*api.Client{
		"nobody": {sharedClient}, "stranger": {sharedClient}, "owner": {f.owner}, "other": {other},
		"staff": {employee(t, "staff")}, "admin": {employee(t, "admin")},
		"forged": forgeries(t, session.AccessToken),
	}
	f.values["sku"] = importProduct(t, 10_000)
	f.strangerToken = f.newGuestOrder(t).AccessToken
	found, err := sharedClient.Products(ctx, url.Values{"category": {"headwear"}}) // of the demo catalogue, with pictures
	require.NoError(t, err)
	page, err := sharedClient.Product(ctx, found.Items[0].ID)
	require.NoError(t, err)
	f.values["file"] = filepath.Base(page.Images[0].URL)
	for _, name := range []string{
		"product", "draft", "category", "guest-cart", "guest-order", "parcel", "address", "session", "cart",
	} {
		f.create(t, name)
	}
	return f
}

// mustCall sends a request that must succeed, and returns the id in the answer, or the handle if it has no id.
func mustCall(t *testing.T, c *api.Client, method, path, body string) string {
	t.Helper()
	a, err := c.Do(t.Context(), api.Request{
		Method: method, Path: path, Body: body, Header: map[string]string{"If-Match": "*"},
	})
	require.NoError(t, err)
	var created struct{ ID, Handle string }
	require.NoError(t, a.Decode(&created))
	return cmp.Or(created.ID, created.Handle)
}

// create creates a new object with a name of the access table. It replaces the old object with that name.
func (f *fixture) create(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	switch name {
	case "product", "draft":
		status := map[string]string{"product": "active", "draft": "draft"}[name]
		f.values[name] = mustCall(t, staff(t), http.MethodPost, "/api/v1/products", fmt.Sprintf(
			`{"title":"Felt","status":%q,"handle":%q,"variants":[{"sku":%q,"price":{"amount":100,"currency":"EUR"}}]}`,
			status, strings.ToLower(api.NewKey()), api.NewKey()))
	case "category":
		f.values[name] = mustCall(t, staff(t), http.MethodPost, "/api/v1/categories",
			fmt.Sprintf(`{"name":"Felts","handle":%q}`, strings.ToLower(api.NewKey())))
	case "address":
		f.values[name] = mustCall(t, f.owner, http.MethodPost, "/api/v1/me/addresses", addressBody)
	case "session":
		_, err := sharedClient.Login(ctx, f.values["email"], f.values["password"])
		require.NoError(t, err)
		a, err := f.owner.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/me/sessions?limit=100"})
		require.NoError(t, err)
		var sessions api.List[struct {
			ID      string
			Current bool
		}]
		require.NoError(t, a.Decode(&sessions))
		for _, s := range sessions.Items {
			if !s.Current {
				f.values[name] = s.ID
			}
		}
	case "cart":
		f.values[name] = f.newCart(t, f.owner).ID
	case "guest-cart":
		f.values[name] = f.newCart(t, sharedClient).ID
	case "order": // of a guest's cart: the owner's cart is emptied only some time after the order
		order, err := f.owner.Checkout(ctx, f.newCart(t, sharedClient), api.Visa, api.NewKey())
		require.NoError(t, err)
		f.values[name] = order.ID
	case "guest-order":
		order := f.newGuestOrder(t)
		f.values[name], f.values["guest-token"] = order.ID, order.AccessToken
	case "parcel", "return": // of an order that is shipped, and of which one piece is being returned
		f.create(t, "order")
		f.ship(t, "order")
		one := api.Item{SKU: f.values["sku"], Quantity: 1}
		order, err := f.owner.RequestReturn(ctx, f.values["order"], "", api.NewKey(), one)
		require.NoError(t, err)
		f.values["parcel"], f.values["return"] = order.Fulfilments[0].ID, order.Returns[0].ID
	}
}

// ship ships two of the three pieces of an order.
func (f *fixture) ship(t *testing.T, name string) {
	t.Helper()
	two := api.Item{SKU: f.values["sku"], Quantity: 2}
	_, err := staff(t).Fulfil(t.Context(), f.values[name], api.NewKey(), two)
	require.NoError(t, err)
}

// newCart returns a cart with three pieces.
func (f *fixture) newCart(t *testing.T, c *api.Client) api.Cart {
	t.Helper()
	cart, err := c.NewCart(t.Context(), api.Item{SKU: f.values["sku"], Quantity: 3})
	require.NoError(t, err)
	return cart
}

func (f *fixture) newGuestOrder(t *testing.T) api.Order {
	t.Helper()
	order, err := sharedClient.Checkout(t.Context(), f.newCart(t, sharedClient), api.Visa, api.NewKey())
	require.NoError(t, err)
	return order
}

// renew replaces the objects that a request of the rule may have changed or deleted.
func (f *fixture) renew(t *testing.T, r rule) {
	t.Helper()
	if r.method == http.MethodGet {
		return
	}
	has := func(part string) bool { return strings.Contains(r.path, part) }
	switch {
	case has("{parcel}"), has("{return}"), has("{order}/refunds"), has("{order}/returns"):
		f.create(t, "parcel")
	case has("{guest-order}/returns"):
		f.create(t, "guest-order")
		f.ship(t, "guest-order")
	case r.path == "/api/v1/orders":
		f.create(t, "cart")
	case has("{coupon}"), has("/auth/"), has("{user}"), has("{letter}"), has("{flag}"):
	default:
		for _, name := range placeholder.FindAllString(r.path, -1) {
			f.create(t, strings.Trim(name, "{}"))
		}
	}
}

// snapshot reads everything that a refused request could have changed, by path.
func (f *fixture) snapshot(t *testing.T) map[string][]byte {
	t.Helper()
	state := map[string][]byte{}
	for _, path := range []string{
		"/api/v1/me", "/api/v1/me/addresses", "/api/v1/me/sessions?limit=100",
		"/api/v1/carts/{cart}", "/api/v1/carts/{guest-cart}", "/api/v1/orders", "/api/v1/orders/{order}/events",
	} {
		state[path] = f.read(t, f.owner, path)
	}
	for _, path := range []string{
		"/api/v1/orders/{guest-order}/events", "/api/v1/products/{product}", "/api/v1/products/{draft}",
		"/api/v1/categories/{category}", "/api/v1/stock/{sku}/history", "/api/v1/users/{user}",
		"/api/v1/users/{user}/events", "/api/v1/read-only",
	} {
		state[path] = f.read(t, staff(t), path)
	}
	return state
}

func (f *fixture) read(t *testing.T, c *api.Client, path string) []byte {
	t.Helper()
	a, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: f.fillIn(path)})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, "%s: %s", path, a.Body)
	return a.Body
}

var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

// fillIn replaces the names in a path or a body, such as {cart}, by the ids of the objects.
func (f *fixture) fillIn(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := f.values[strings.Trim(name, "{}")]; ok {
			return value
		}
		return name
	})
}

// accessBodies are request bodies with the names of objects. An operation that is not here has its body in bodies.
var accessBodies = map[string]string{
	"POST /api/v1/products":   accessProductBody,
	"PUT /api/v1/products/{}": accessProductBody,
	"POST /api/v1/categories": `{"name":"Hats {new}"}`,
	"POST /api/v1/orders": `{"cartId":"{cart}","email":"ada@example.test","shippingAddress":` + addressBody +
		`,"payment":{"method":"card","token":"tok_visa"}}`,
	"POST /api/v1/orders/{}/returns":     `{"lines":[{"sku":"{sku}","quantity":1}],"reason":"too small"}`,
	"POST /api/v1/orders/{}/fulfilments": `{"lines":[{"sku":"{sku}","quantity":1}],"carrier":"DHL","trackingNumber":"1"}`,
	"POST /api/v1/auth/register":         `{"email":"{new}@example.test","password":"a long password","name":"X"}`,
	"POST /api/v1/auth/login":            `{"email":"{email}","password":"{password}"}`,
	"DELETE /api/v1/me":                  `{"password":"{password}"}`,

	"POST /api/v1/me/totp":    `{"currentPassword":"{password}"}`,
	"POST /api/v1/me/passkey": `{"currentPassword":"{password}"}`,
	"POST /api/v1/products/import": `{"title":"Cap {new}","variants":[{"sku":"{new}-I",` +
		`"price":{"amount":100,"currency":"EUR"}}]}`,
}

const accessProductBody = `{"title":"Hat {new}","variants":[{"sku":"{new}","price":{"amount":100,"currency":"EUR"}}]}`

// request returns the request of a rule.

func (f *fixture) request(r rule) api.Request { return f.requestOf(r.operation(), r) }

// requestOf returns the request of a rule with the body of an operation.
func (f *fixture) requestOf(operation string, r rule) api.Request {
	f.values["new"] = strings.ToLower(api.NewKey())
	request := api.Request{
		Method: r.method, Path: f.fillIn(r.path),
		Header: map[string]string{"If-Match": "*", "Idempotency-Key": api.NewKey()},
	}
	body, ok := accessBodies[operation]
	if !ok {
		body, ok = bodies[operation]
	}
	if ok {
		request.Body = f.fillIn(body)
	}
	if r.path == "/api/v1/products/import" {
		request.Header["Content-Type"] = "application/x-ndjson"
	}
	return request
}
