package e2e

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

func TestGuestBrowsesTheDemoCatalogue(t *testing.T) {
	c, ctx := guest(t), t.Context()
	all, err := c.Products(ctx, nil)
	require.NoError(t, err)
	require.GreaterOrEqual(t, all.Total, int64(30))
	accessories := url.Values{"category": {"accessories"}, "limit": {"5"}}
	found, err := c.Products(ctx, accessories)
	require.NoError(t, err)
	require.Len(t, found.Items, 5)
	require.Greater(t, found.Total, int64(10))
	require.NotNil(t, found.NextCursor)
	require.Contains(t, found.Facets, "category")
	require.Contains(t, found.Facets, "brand")
	require.Contains(t, found.Facets, "price")

	accessories.Set("cursor", *found.NextCursor)
	next, err := c.Products(ctx, accessories)
	require.NoError(t, err)
	require.NotEmpty(t, next.Items)
	for _, a := range found.Items {
		for _, b := range next.Items {
			require.NotEqual(t, a.ID, b.ID, "a product is on two pages")
		}
	}
	first := found.Items[0]
	page, err := c.Product(ctx, first.Handle)
	require.NoError(t, err)
	require.Equal(t, first.ID, page.ID)
	require.Equal(t, first.Title, page.Title)
	require.NotEmpty(t, page.Variants)
	require.NotEmpty(t, page.Images)
	byID, err := c.Product(ctx, first.ID)
	require.NoError(t, err)
	require.Equal(t, page.Handle, byID.Handle)

	picture, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: pathOf(t, page.Images[0].URL)})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, picture.Status, "%s", page.Images[0].URL)
	require.Equal(t, "image/svg+xml", picture.Header.Get("Content-Type"))
	categories, err := c.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/categories"})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, categories.Status)
}

// pathOf returns the path and the query of a URL.
func pathOf(t *testing.T, address string) string {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.RequestURI()
}

func TestGuestBuys(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 5)
	cart, err := c.NewCart(ctx, api.Item{SKU: sku, Quantity: 2})
	require.NoError(t, err)
	require.Len(t, cart.Items, 1)
	require.Equal(t, api.Money{Amount: 2 * 1999, Currency: "EUR"}, cart.Items[0].Total)
	require.Equal(t, cart.Items[0].Total, cart.Subtotal)

	cart, err = c.SetShipping(ctx, cart, api.Home, "")
	require.NoError(t, err)
	options, err := c.ShippingOptions(ctx, cart.ID)
	require.NoError(t, err)
	require.NotEmpty(t, options.Items)
	option := options.Items[len(options.Items)-1]
	cart, err = c.SetShipping(ctx, cart, api.Home, option.ID)
	require.NoError(t, err)
	require.Equal(t, option.Price, cart.Shipping)

	placement := api.NewPlacement(cart, api.Visa)
	placement.ShippingOption = option.ID
	start := time.Now()
	answer, err := c.Place(ctx, api.NewKey(), placement)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, answer.Status, "%s", answer.Body)
	require.Empty(t, answer.Header.Get("Idempotent-Replayed"))
	var order api.Order
	require.NoError(t, answer.Decode(&order))
	require.Equal(t, "confirmed", order.Status)
	require.Equal(t, "authorized", order.Payment.Status)
	require.Equal(t, order.Total, order.Payment.Authorized)
	require.Equal(t, int64(0), order.Payment.Captured.Amount)
	require.Equal(t, placement.Email, order.Email)
	require.Equal(t, api.Home, order.ShippingAddress)
	require.NotEmpty(t, order.Number)
	require.NotEmpty(t, order.AccessToken)
	require.WithinDuration(t, start, order.CreatedAt, time.Minute)
	require.Len(t, order.Lines, 1)
	require.Equal(t, sku, order.Lines[0].SKU)
	require.Equal(t, int64(2), order.Lines[0].Quantity)
	require.Equal(t, cart.Total, order.Total, "the order costs what the cart showed")
	sum := order.Subtotal.Amount - order.Discount.Amount + order.Shipping.Amount + order.Tax.Amount
	require.Equal(t, order.Total.Amount, sum)

	t.Run("it can be read only with its token", func(t *testing.T) { requireTokenToRead(t, c, order) })
	t.Run("it has a history", func(t *testing.T) {
		events, err := c.Events(ctx, order.ID, order.AccessToken)
		require.NoError(t, err)
		var types []string
		for i, e := range events {
			require.True(t, i == 0 || e.Seq > events[i-1].Seq, "%d follows %d", e.Seq, events[max(i-1, 0)].Seq)
			types = append(types, e.Type)
		}
		require.Equal(t, int64(1), events[0].Seq)
		require.Equal(t, "order.placed", types[0])
		require.Contains(t, types, "order.confirmed")
	})
	t.Run("the confirmation is mailed", func(t *testing.T) {
		mail := confirmation(t, sharedShop.MailDir(), placement.Email, order.Number)
		require.NotEmpty(t, mail.subject)
	})
	t.Run("stock is reserved", func(t *testing.T) {
		stock, err := staff(t).Stock(ctx, sku)
		require.NoError(t, err)
		require.Equal(t, api.Stock{SKU: sku, OnHand: 5, Reserved: 2, Available: 3}, stock)
	})
	t.Run("the cart is empty afterwards", func(t *testing.T) {
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			cart, err := c.Cart(ctx, cart.ID)
			require.NoError(collect, err)
			require.Empty(collect, cart.Items)
		}, timeout, interval)
	})
}

// requireTokenToRead requires that a guest's order can be read with its token, and by no other caller.
func requireTokenToRead(t *testing.T, c *api.Client, order api.Order) {
	ctx := t.Context()
	read, err := c.Order(ctx, order.ID, order.AccessToken)
	require.NoError(t, err)
	require.Empty(t, read.AccessToken, "only the answer to the placement has the token")
	read.AccessToken = order.AccessToken
	require.Equal(t, order, read)

	other, err := c.Checkout(ctx, cartWith(t, c, importProduct(t, 1)), api.Visa, api.NewKey())
	require.NoError(t, err)
	stranger, _ := customer(t)
	for name, try := range map[string]struct {
		as    *api.Client
		token string
	}{
		"nobody": {c, ""}, "another order's token": {c, other.AccessToken}, "a made up token": {c, "x"},
		"a customer": {stranger, ""}, "a customer with another token": {stranger, other.AccessToken},
	} {
		_, err = try.as.Order(ctx, order.ID, try.token)
		require.Error(t, err, name)
		requireProblem(t, err, http.StatusNotFound, "not-found")
		_, err = try.as.Events(ctx, order.ID, try.token)
		require.Error(t, err, name)
		requireProblem(t, err, http.StatusNotFound, "not-found")
	}
}

func TestCustomerBuys(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email, password := api.NewEmail(), api.NewKey()
	user, err := c.Register(ctx, email, password, "Grace Hopper")
	require.NoError(t, err)
	require.Equal(t, email, user.Email)
	_, err = c.Login(ctx, email, "not the password")
	requireProblem(t, err, http.StatusUnauthorized, "invalid-credentials")
	session, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	require.Equal(t, user.ID, session.User.ID)
	require.Equal(t, []string{"customer"}, session.User.Roles)
	require.Positive(t, session.ExpiresIn)
	require.NotEmpty(t, session.RefreshToken)

	grace, sku := c.As(session.AccessToken), importProduct(t, 3)
	cart, err := grace.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	mine, err := grace.Cart(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, cart.ID, mine.ID)
	require.Len(t, mine.Items, 1)
	_, err = c.Cart(ctx, cart.ID)
	requireProblem(t, err, http.StatusNotFound, "not-found")

	order, err := grace.Checkout(ctx, mine, api.Visa, api.NewKey())
	require.NoError(t, err)
	require.Equal(t, "confirmed", order.Status)
	require.Empty(t, order.AccessToken, "an order of a customer has no token")

	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		own, err := grace.Orders(ctx, nil)
		require.NoError(collect, err)
		require.Len(collect, own.Items, 1)
		require.Equal(collect, order.ID, own.Items[0].ID)
		all, err := staff(t).Orders(ctx, url.Values{"customer": {user.ID}})
		require.NoError(collect, err)
		require.Len(collect, all.Items, 1)
	}, timeout, interval)
	for _, reader := range []*api.Client{grace, staff(t)} {
		read, err := reader.Order(ctx, order.ID, "")
		require.NoError(t, err)
		require.Equal(t, order, read)
	}

	other, _ := customer(t)
	_, err = other.Order(ctx, order.ID, "")
	requireProblem(t, err, http.StatusNotFound, "not-found")
	_, err = other.Cart(ctx, cart.ID)
	requireProblem(t, err, http.StatusNotFound, "not-found")
	none, err := other.Orders(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, none.Items)
	_, err = c.Orders(ctx, nil)
	requireProblem(t, err, http.StatusUnauthorized, "unauthenticated")
}
