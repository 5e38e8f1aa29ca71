package e2e

import (
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// world is a shop's worth of objects of one customer and one guest, and those who would like to get at them.
type world struct {
	values         map[string]string // objects by the names that the table gives them
	callers        map[string][]*api.Client
	strangersToken string
	owner          *api.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{values: map[string]string{"app": "cart", "letter": "orders:orders:9007199254740991", "coupon": "WELCOME10", "password": api.NewKey(), "email": api.NewEmail()}}
	user, err := theClient.Register(ctx, w.values["email"], w.values["password"], "Ada Byron")
	require.NoError(t, err)
	session, err := theClient.Login(ctx, w.values["email"], w.values["password"])
	require.NoError(t, err)
	w.owner, w.values["user"] = theClient.As(session.AccessToken), user.ID
	other, _ := customer(t)
	w.callers = map[string][]*api.Client{
		"nobody": {theClient}, "stranger": {theClient}, "owner": {w.owner}, "other": {other}, "staff": {employee(t, "staff")}, "admin": {employee(t, "admin")},
		"forged": forgeries(t, session.AccessToken),
	}
	w.values["sku"] = stocked(t, 10_000)
	_, strangers := w.guestOrder(t)
	w.strangersToken = strangers.AccessToken
	found, err := theClient.Products(ctx, url.Values{"category": {"headwear"}}) // of the demo catalogue, with pictures
	require.NoError(t, err)
	page, err := theClient.Product(ctx, found.Items[0].ID)
	require.NoError(t, err)
	w.values["file"] = filepath.Base(page.Images[0].URL)
	for _, name := range []string{"product", "draft", "category", "guest-cart", "guest-order", "parcel", "address", "session", "cart"} {
		w.make(t, name)
	}
	return w
}

// put makes a call that has to succeed and gives its answer's id.
func put(t *testing.T, c *api.Client, method, path, body string) string {
	t.Helper()
	a, err := c.Do(t.Context(), api.Request{Method: method, Path: path, Body: body, Header: map[string]string{"If-Match": "*"}})
	require.NoError(t, err)
	var made struct{ ID, Handle string }
	require.NoError(t, a.Decode(&made))
	if made.ID == "" {
		return made.Handle
	}
	return made.ID
}

// make puts a new object of that name into the world.
func (w *world) make(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	switch name {
	case "product", "draft":
		status := map[string]string{"product": "active", "draft": "draft"}[name]
		w.values[name] = put(t, staff(t), http.MethodPost, "/api/v1/products",
			`{"title":"Felt","status":"`+status+`","handle":"`+strings.ToLower(api.NewKey())+`","variants":[{"sku":"`+api.NewKey()+`","price":{"amount":100,"currency":"EUR"}}]}`)
	case "category":
		w.values[name] = put(t, staff(t), http.MethodPost, "/api/v1/categories", `{"name":"Felts","handle":"`+strings.ToLower(api.NewKey())+`"}`)
	case "address":
		w.values[name] = put(t, w.owner, http.MethodPost, "/api/v1/me/addresses", addressBody)
	case "session":
		_, err := theClient.Login(ctx, w.values["email"], w.values["password"])
		require.NoError(t, err)
		a, err := w.owner.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/me/sessions?limit=100"})
		require.NoError(t, err)
		var sessions api.List[struct {
			ID      string
			Current bool
		}]
		require.NoError(t, a.Decode(&sessions))
		for _, s := range sessions.Items {
			if !s.Current {
				w.values[name] = s.ID
			}
		}
	case "cart":
		w.values[name] = w.fullCart(t, w.owner).ID
	case "guest-cart":
		w.values[name] = w.fullCart(t, theClient).ID
	case "order": // of a guest's cart: the owner's is emptied some time after it was ordered
		order, err := w.owner.Checkout(ctx, w.fullCart(t, theClient), api.Visa, api.NewKey())
		require.NoError(t, err)
		w.values[name] = order.ID
	case "guest-order":
		_, order := w.guestOrder(t)
		w.values[name], w.values["guest-token"] = order.ID, order.AccessToken
	case "parcel", "return": // of an order that was sent, and of which one piece is on its way back
		w.make(t, "order")
		w.send(t, "order")
		order, err := w.owner.AskReturn(ctx, w.values["order"], "", api.NewKey(), api.Item{SKU: w.values["sku"], Quantity: 1})
		require.NoError(t, err)
		w.values["parcel"], w.values["return"] = order.Fulfilments[0].ID, order.Returns[0].ID
	}
}

// send sends two of the three pieces of an order.
func (w *world) send(t *testing.T, name string) {
	t.Helper()
	_, err := staff(t).Fulfil(t.Context(), w.values[name], api.NewKey(), api.Item{SKU: w.values["sku"], Quantity: 2})
	require.NoError(t, err)
}

func (w *world) fullCart(t *testing.T, c *api.Client) api.Cart {
	t.Helper()
	cart, err := c.NewCart(t.Context(), api.Item{SKU: w.values["sku"], Quantity: 3})
	require.NoError(t, err)
	return cart
}

func (w *world) guestOrder(t *testing.T) (api.Cart, api.Order) {
	t.Helper()
	cart := w.fullCart(t, theClient)
	order, err := theClient.Checkout(t.Context(), cart, api.Visa, api.NewKey())
	require.NoError(t, err)
	return cart, order
}

// renew replaces the objects that a call may use up.
func (w *world) renew(t *testing.T, r rule) {
	t.Helper()
	if r.method == http.MethodGet {
		return
	}
	of := func(what string) bool { return strings.Contains(r.path, what) }
	switch {
	case of("{parcel}"), of("{return}"), of("{order}/refunds"), of("{order}/returns"):
		w.make(t, "parcel")
	case of("{guest-order}/returns"):
		w.make(t, "guest-order")
		w.send(t, "guest-order")
	case r.path == "/api/v1/orders":
		w.make(t, "cart")
	case of("{coupon}"), of("/auth/"), of("{user}"), of("{letter}"):
	default:
		for _, name := range placeholder.FindAllString(r.path, -1) {
			w.make(t, strings.Trim(name, "{}"))
		}
	}
}

// snapshot is all that those who are refused could have changed.
func (w *world) snapshot(t *testing.T) map[string][]byte {
	t.Helper()
	state := map[string][]byte{}
	for _, path := range []string{
		"/api/v1/me", "/api/v1/me/addresses", "/api/v1/me/sessions?limit=100", "/api/v1/carts/{cart}", "/api/v1/carts/{guest-cart}",
		"/api/v1/orders", "/api/v1/orders/{order}/events",
	} {
		state[path] = w.read(t, w.owner, path)
	}
	for _, path := range []string{
		"/api/v1/orders/{guest-order}/events", "/api/v1/products/{product}", "/api/v1/products/{draft}", "/api/v1/categories/{category}",
		"/api/v1/stock/{sku}/history", "/api/v1/users/{user}", "/api/v1/users/{user}/events", "/api/v1/read-only",
	} {
		state[path] = w.read(t, staff(t), path)
	}
	return state
}

func (w *world) read(t *testing.T, c *api.Client, path string) []byte {
	t.Helper()
	a, err := c.Do(t.Context(), api.Request{Method: http.MethodGet, Path: w.fill(path)})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, "%s: %s", path, a.Body)
	return a.Body
}

var placeholder = regexp.MustCompile(`\{[a-z-]+\}`)

// fill puts the world's objects into a path or a body.
func (w *world) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := w.values[strings.Trim(name, "{}")]; ok {
			return value
		}
		return name
	})
}

// accessBodies are those that are not in bodies, because they speak of objects that are there.
var accessBodies = map[string]string{
	"POST /api/v1/products":              `{"title":"Hat {new}","variants":[{"sku":"{new}","price":{"amount":100,"currency":"EUR"}}]}`,
	"PUT /api/v1/products/{}":            `{"title":"Hat {new}","variants":[{"sku":"{new}","price":{"amount":100,"currency":"EUR"}}]}`,
	"POST /api/v1/categories":            `{"name":"Hats {new}"}`,
	"POST /api/v1/orders":                `{"cartId":"{cart}","email":"ada@example.test","shippingAddress":` + addressBody + `,"payment":{"method":"card","token":"tok_visa"}}`,
	"POST /api/v1/orders/{}/returns":     `{"lines":[{"sku":"{sku}","quantity":1}],"reason":"too small"}`,
	"POST /api/v1/orders/{}/fulfilments": `{"lines":[{"sku":"{sku}","quantity":1}],"carrier":"DHL","trackingNumber":"1"}`,
	"POST /api/v1/auth/register":         `{"email":"{new}@example.test","password":"a long password","name":"X"}`,
	"POST /api/v1/auth/login":            `{"email":"{email}","password":"{password}"}`,
	"POST /api/v1/products/import":       `{"title":"Cap {new}","variants":[{"sku":"{new}-I","price":{"amount":100,"currency":"EUR"}}]}`,
}

func (w *world) request(r rule) api.Request { return w.requestOf(r.operation(), r) }

// requestOf is a rule's request with the body of an operation.
func (w *world) requestOf(operation string, r rule) api.Request {
	w.values["new"] = strings.ToLower(api.NewKey())
	request := api.Request{Method: r.method, Path: w.fill(r.path), Header: map[string]string{"If-Match": "*", "Idempotency-Key": api.NewKey()}}
	body, ok := accessBodies[operation]
	if !ok {
		body, ok = bodies[operation]
	}
	if ok {
		request.Body = w.fill(body)
	}
	if r.path == "/api/v1/products/import" {
		request.Header["Content-Type"] = "application/x-ndjson"
	}
	return request
}
