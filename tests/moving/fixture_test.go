package moving

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/api"
)

const (
	sku  = "BASQUE-BERET-RED" // of the demo catalogue
	soon = 30 * time.Second
	tick = 50 * time.Millisecond
)

// placement is an order with the request that placed it.
type placement struct {
	api.Order
	key  string
	body api.Placement
}

// fixture is a shop with orders in all states, and clients of its API.
type fixture struct {
	t        *testing.T
	shop     *launch.Shop
	guest    *api.Client
	admin    *api.Client
	customer *api.Client

	unshipped   placement // of a guest; confirmed
	halfShipped placement // of the customer; one of two pieces is shipped
	orders      []placement
}

func newFixture(t *testing.T, s *launch.Shop) *fixture {
	t.Helper()
	f := &fixture{t: t, shop: s, guest: api.New(s.GatewayURL())}
	var err error
	f.admin, err = f.guest.AsAdmin(t.Context())
	require.NoError(t, err)
	f.customer, _, err = f.guest.AsNewCustomer(t.Context())
	require.NoError(t, err)
	f.addStock()
	f.placeOrders()
	return f
}

func (f *fixture) addStock() {
	a, err := f.admin.Do(f.t.Context(), api.Request{
		Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
		Header: map[string]string{"Idempotency-Key": rand.Text()}, Body: map[string]any{"delta": 20, "reason": "counted"},
	})
	require.NoError(f.t, err)
	require.NoError(f.t, a.Decode(nil))
}

// placeOrders places orders and brings each of them into another state.
func (f *fixture) placeOrders() {
	ctx := f.t.Context()
	f.unshipped, f.halfShipped = f.buy(f.guest, 1, api.Visa), f.buy(f.customer, 2, api.Visa)
	returned, cancelled := f.buy(f.guest, 1, api.Visa), f.buy(f.customer, 1, api.Visa)
	one := api.Item{SKU: sku, Quantity: 1}
	_, err := f.admin.Fulfil(ctx, f.halfShipped.ID, "half", one)
	require.NoError(f.t, err)
	o, err := f.admin.Fulfil(ctx, returned.ID, "all", one)
	require.NoError(f.t, err)
	_, err = f.admin.Deliver(ctx, o.ID, o.Fulfilments[0].ID)
	require.NoError(f.t, err)
	o, err = f.guest.RequestReturn(ctx, o.ID, returned.AccessToken, "back", one)
	require.NoError(f.t, err)
	_, err = f.admin.Receive(ctx, o.ID, o.Returns[0].ID, true)
	require.NoError(f.t, err)
	_, err = f.customer.Cancel(ctx, cancelled.ID, "")
	require.NoError(f.t, err)
	cart, err := f.guest.NewCart(ctx, one)
	require.NoError(f.t, err)
	_, err = f.guest.Checkout(ctx, cart, api.Declined, api.NewKey())
	require.ErrorContains(f.t, err, "payment-declined")
	f.requireStatus(f.halfShipped.ID, "partially-fulfilled", "partially-captured")
	f.requireStatus(returned.ID, "returned", "refunded")
	f.requireStatus(cancelled.ID, "cancelled", "voided")
}

// buy places an order, requires that it is confirmed, and waits for its mail.
func (f *fixture) buy(c *api.Client, quantity int64, token string) placement {
	f.t.Helper()
	cart, err := c.NewCart(f.t.Context(), api.Item{SKU: sku, Quantity: quantity})
	require.NoError(f.t, err)
	p := placement{key: api.NewKey(), body: api.NewPlacement(cart, token)}
	a, err := c.Place(f.t.Context(), p.key, p.body)
	require.NoError(f.t, err)
	require.NoError(f.t, a.Decode(&p.Order))
	require.Equal(f.t, "confirmed", p.Status)
	f.orders = append(f.orders, p)
	require.Eventually(f.t, func() bool { return f.mailed(p.body.Email) }, soon, tick)
	return p
}

// mailed reports whether there is a mail to the address.
func (f *fixture) mailed(to string) bool {
	for _, path := range f.mails() {
		text, err := os.ReadFile(path)
		require.NoError(f.t, err)
		if bytes.Contains(text, []byte(to)) {
			return true
		}
	}
	return false
}

func (f *fixture) mails() []string {
	files, err := filepath.Glob(filepath.Join(f.shop.MailDir(), "*.eml"))
	require.NoError(f.t, err)
	return files
}

// requireStatus waits until an order and its payment have these statuses.
func (f *fixture) requireStatus(id, status, payment string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		o, err := f.admin.Order(f.t.Context(), id, "")
		return err == nil && o.Status == status && o.Payment.Status == payment
	}, soon, tick, "%s should be %s and %s", id, status, payment)
}

// responses returns what the shop answers to its callers, byte for byte, by path.
func (f *fixture) responses() map[string]string {
	f.t.Helper()
	all := map[string]string{}
	read := func(c *api.Client, path string) {
		a, err := c.Do(f.t.Context(), api.Request{Method: http.MethodGet, Path: path})
		require.NoError(f.t, err)
		require.Equal(f.t, http.StatusOK, a.Status, "%s: %s", path, a.Body)
		all[path] = a.Header.Get("ETag") + " " + string(a.Body)
	}
	for _, path := range []string{
		"/api/v1/orders?limit=100", "/api/v1/orders?status=rejected", "/api/v1/stock/" + sku,
		"/api/v1/stock/" + sku + "/history?limit=100", "/api/v1/users?limit=100",
	} {
		read(f.admin, path)
	}
	for _, o := range f.orders {
		read(f.admin, "/api/v1/orders/"+o.ID)
		read(f.admin, "/api/v1/orders/"+o.ID+"/events")
	}
	read(f.customer, "/api/v1/me")
	read(f.customer, "/api/v1/orders?limit=50")
	read(f.guest, "/api/v1/products?limit=100&sort=title")
	read(f.guest, "/api/v1/products/basque-beret")
	read(f.guest, "/api/v1/categories")
	return all
}

// useShop points the clients to another shop; they keep their access tokens. It removes the mails of the old shop, so
// that a mail that is sent again is noticed.
func (f *fixture) useShop(s *launch.Shop) {
	for _, path := range f.mails() {
		require.NoError(f.t, os.Remove(path))
	}
	f.shop = s
	for _, c := range []*api.Client{f.guest, f.admin, f.customer} {
		c.BaseURL = s.GatewayURL()
	}
}

// continueOrders continues the orders from before the export, and places new ones.
func (f *fixture) continueOrders() {
	ctx, one := f.t.Context(), api.Item{SKU: sku, Quantity: 1}
	// A key from before the export returns the same order, and the order's token is still valid.
	a, err := f.guest.Place(ctx, f.unshipped.key, f.unshipped.body)
	require.NoError(f.t, err)
	require.Equal(f.t, "true", a.Header.Get("Idempotent-Replayed"), "%s", a.Body)
	var again api.Order
	require.NoError(f.t, a.Decode(&again))
	require.Equal(f.t, f.unshipped.ID, again.ID)
	o, err := f.guest.Order(ctx, f.unshipped.ID, f.unshipped.AccessToken)
	require.NoError(f.t, err)
	require.Equal(f.t, f.unshipped.Number, o.Number)

	// A payment that was authorised before the export is captured, one that was captured is refunded.
	_, err = f.admin.Fulfil(ctx, f.unshipped.ID, "after", one)
	require.NoError(f.t, err)
	f.requireStatus(f.unshipped.ID, "fulfilled", "captured")
	_, err = f.admin.Refund(ctx, f.halfShipped.ID, api.NewKey(), api.Money{Amount: 100, Currency: "EUR"})
	require.NoError(f.t, err)
	_, err = f.admin.Fulfil(ctx, f.halfShipped.ID, "rest", one)
	require.NoError(f.t, err)
	f.requireStatus(f.halfShipped.ID, "fulfilled", "partially-refunded")

	// Orders from before the export get no second mail. The mails of new orders come later than those would.
	before := f.orders
	f.placeOrders()
	for _, o := range before {
		require.False(f.t, f.mailed(o.body.Email), "order %s has two confirmations", o.Number)
	}
}
