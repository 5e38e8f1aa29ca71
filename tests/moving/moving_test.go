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
	"haberdash/dapr/launch/infra"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// What make infra starts is needed for this one: see INFRA in the Makefile.
func TestServersTakeAShopFromSQLiteToPostgresToRedis(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	servers, err := infra.Start(t.Context(), infra.Options{
		Dir: filepath.Join(dir, "infra"), Servers: []string{"postgres", "redis"}, Log: t.Output(),
	})
	require.NoError(t, err)
	t.Cleanup(servers.Stop)
	s := start(t, options(t, dir, "sqlite", nil), nil)
	w := opened(t, s)
	for _, state := range []string{"postgres", "redis"} {
		before := w.views()
		w.enter(moved(t, s, options(t, dir, state, servers.Vars())))
		require.Equal(t, before, w.views(), state)
		w.goOn()
		s = w.shop
	}
}

// To another machine: its directory has nothing of the old one but the secrets.
func TestAShopMovesToAnotherDirectory(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	s := start(t, options(t, here, "sqlite", nil), nil)
	w := opened(t, s)
	before := w.views()
	secrets, err := os.ReadFile(filepath.Join(here, "secrets.env"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(there, "secrets.env"), secrets, 0o600))
	w.enter(moved(t, s, options(t, there, "sqlite", nil)))
	require.Equal(t, before, w.views())
	w.goOn()
	othersGetNothing(t, w.shop)
}

// othersGetNothing asks through the sidecar of another app, which says who asks.
func othersGetNothing(t *testing.T, s *launch.Shop) {
	for _, app := range roster.Exported() {
		a, err := api.New(s.SidecarHTTP("gateway")).Do(t.Context(), api.Request{Method: http.MethodGet,
			Path: "/v1.0/invoke/" + app + "/method/internal/export", Header: map[string]string{"Dapr-Caller-App-Id": app}})
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, a.Status, "%s: %.200s", app, a.Body)
	}
}

const (
	sku  = "BASQUE-BERET-RED" // of the demo catalogue
	soon = 30 * time.Second
	tick = 50 * time.Millisecond
)

// placed is an order with what a client needs to place it again.
type placed struct {
	api.Order
	key  string
	body api.Placement
}

// world is a shop with orders in all states, and who works with it.
type world struct {
	t        *testing.T
	shop     *launch.Shop
	guest    *api.Client
	boss     *api.Client
	customer *api.Client
	open     placed // a guest's, confirmed and not shipped
	half     placed // of which one of two is shipped
	orders   []placed
}

func opened(t *testing.T, s *launch.Shop) *world {
	t.Helper()
	w := &world{t: t, shop: s, guest: api.New(s.GatewayURL())}
	var err error
	w.boss, err = w.guest.AsAdmin(t.Context())
	require.NoError(t, err)
	w.customer, _, err = w.guest.AsNewCustomer(t.Context())
	require.NoError(t, err)
	w.stockUp()
	w.fill()
	return w
}

func (w *world) stockUp() {
	a, err := w.boss.Do(w.t.Context(), api.Request{Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
		Header: map[string]string{"Idempotency-Key": rand.Text()}, Body: map[string]any{"delta": 20, "reason": "counted"}})
	require.NoError(w.t, err)
	require.NoError(w.t, a.Decode(nil))
}

// fill places orders and leads them to where they are to be.
func (w *world) fill() {
	ctx := w.t.Context()
	w.open, w.half = w.buy(w.guest, 1, api.Visa), w.buy(w.customer, 2, api.Visa)
	returned, cancelled := w.buy(w.guest, 1, api.Visa), w.buy(w.customer, 1, api.Visa)
	one := api.Item{SKU: sku, Quantity: 1}
	_, err := w.boss.Fulfil(ctx, w.half.ID, "half", one)
	require.NoError(w.t, err)
	o, err := w.boss.Fulfil(ctx, returned.ID, "all", one)
	require.NoError(w.t, err)
	_, err = w.boss.Deliver(ctx, o.ID, o.Fulfilments[0].ID)
	require.NoError(w.t, err)
	o, err = w.guest.AskReturn(ctx, o.ID, returned.AccessToken, "back", one)
	require.NoError(w.t, err)
	_, err = w.boss.Receive(ctx, o.ID, o.Returns[0].ID, true)
	require.NoError(w.t, err)
	_, err = w.customer.Cancel(ctx, cancelled.ID, "")
	require.NoError(w.t, err)
	cart, err := w.guest.NewCart(ctx, one)
	require.NoError(w.t, err)
	_, err = w.guest.Checkout(ctx, cart, api.Declined, api.NewKey())
	require.ErrorContains(w.t, err, "payment-declined")
	w.becomes(w.half.ID, "partially-fulfilled", "partially-captured")
	w.becomes(returned.ID, "returned", "refunded")
	w.becomes(cancelled.ID, "cancelled", "voided")
}

// buy places an order, which is confirmed, and waits for its mail.
func (w *world) buy(c *api.Client, quantity int64, token string) placed {
	w.t.Helper()
	cart, err := c.NewCart(w.t.Context(), api.Item{SKU: sku, Quantity: quantity})
	require.NoError(w.t, err)
	p := placed{key: api.NewKey(), body: api.NewPlacement(cart, token)}
	a, err := c.Place(w.t.Context(), p.key, p.body)
	require.NoError(w.t, err)
	require.NoError(w.t, a.Decode(&p.Order))
	require.Equal(w.t, "confirmed", p.Status)
	w.orders = append(w.orders, p)
	require.Eventually(w.t, func() bool { return w.mailed(p.body.Email) }, soon, tick)
	return p
}

// mailed tells whether there is a mail to an address.
func (w *world) mailed(to string) bool {
	for _, path := range w.mails() {
		text, err := os.ReadFile(path)
		require.NoError(w.t, err)
		if bytes.Contains(text, []byte(to)) {
			return true
		}
	}
	return false
}

func (w *world) mails() []string {
	files, err := filepath.Glob(filepath.Join(w.shop.MailDir(), "*.eml"))
	require.NoError(w.t, err)
	return files
}

func (w *world) becomes(id, status, payment string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		o, err := w.boss.Order(w.t.Context(), id, "")
		return err == nil && o.Status == status && o.Payment.Status == payment
	}, soon, tick, "%s is to be %s and %s", id, status, payment)
}

// views are what people see of the shop, to the byte, by the address.
func (w *world) views() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	look := func(c *api.Client, path string) {
		a, err := c.Do(w.t.Context(), api.Request{Method: http.MethodGet, Path: path})
		require.NoError(w.t, err)
		require.Equal(w.t, http.StatusOK, a.Status, "%s: %s", path, a.Body)
		all[path] = a.Header.Get("ETag") + " " + string(a.Body)
	}
	for _, path := range []string{"/api/v1/orders?limit=100", "/api/v1/orders?status=rejected", "/api/v1/stock/" + sku, "/api/v1/stock/" + sku + "/history?limit=100", "/api/v1/users?limit=100"} {
		look(w.boss, path)
	}
	for _, o := range w.orders {
		look(w.boss, "/api/v1/orders/"+o.ID)
		look(w.boss, "/api/v1/orders/"+o.ID+"/events")
	}
	look(w.customer, "/api/v1/me")
	look(w.customer, "/api/v1/orders?limit=50")
	look(w.guest, "/api/v1/products?limit=100&sort=title")
	look(w.guest, "/api/v1/products/basque-beret")
	look(w.guest, "/api/v1/categories")
	return all
}

// enter goes to the shop's new place, with the tokens of before. The mails of before are put away, so that any of them
// would be seen to be sent again.
func (w *world) enter(s *launch.Shop) {
	for _, path := range w.mails() {
		require.NoError(w.t, os.Remove(path))
	}
	w.shop, w.guest.BaseURL, w.boss.BaseURL, w.customer.BaseURL = s, s.GatewayURL(), s.GatewayURL(), s.GatewayURL()
}

// goOn works on with what was begun before the move, and begins anew.
func (w *world) goOn() {
	ctx, one := w.t.Context(), api.Item{SKU: sku, Quantity: 1}
	// The key of before is the order of before, for who has its token.
	a, err := w.guest.Place(ctx, w.open.key, w.open.body)
	require.NoError(w.t, err)
	require.Equal(w.t, "true", a.Header.Get("Idempotent-Replayed"), "%s", a.Body)
	var again api.Order
	require.NoError(w.t, a.Decode(&again))
	require.Equal(w.t, w.open.ID, again.ID)
	o, err := w.guest.Order(ctx, w.open.ID, w.open.AccessToken)
	require.NoError(w.t, err)
	require.Equal(w.t, w.open.Number, o.Number)

	// What was authorised before is captured, what was captured before is refunded.
	_, err = w.boss.Fulfil(ctx, w.open.ID, "after", one)
	require.NoError(w.t, err)
	w.becomes(w.open.ID, "fulfilled", "captured")
	_, err = w.boss.Refund(ctx, w.half.ID, api.NewKey(), api.Money{Amount: 100, Currency: "EUR"})
	require.NoError(w.t, err)
	_, err = w.boss.Fulfil(ctx, w.half.ID, "rest", one)
	require.NoError(w.t, err)
	w.becomes(w.half.ID, "fulfilled", "partially-refunded")

	// The mail of a new order is sent, and by then every older one would have been.
	before := w.orders
	w.fill()
	for _, o := range before {
		require.False(w.t, w.mailed(o.body.Email), "order %s is confirmed twice", o.Number)
	}
}
