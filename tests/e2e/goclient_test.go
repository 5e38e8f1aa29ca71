package e2e

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	client "haberdash/clients/go"
	"haberdash/tests/api"
)

// placementOf returns the order of a cart.
func placementOf(cart string) client.Placement {
	return client.Placement{
		CartID: cart, Email: api.NewEmail(), Payment: client.PaymentMethod{Method: "card", Token: api.Visa},
		ShippingAddress: client.Address{
			Name: "Ada Byron", Line1: "Unter den Linden 1", City: "Berlin", PostalCode: "10117", Country: "DE",
		},
	}
}

// The test uses the Go client of clients/go, from the registration to the cancellation.
func TestGoClientBuys(t *testing.T) {
	guest(t)
	sku, ctx := importProduct(t, 10), t.Context()
	c := client.New(sharedShop.GatewayURL(), nil)

	email, password := api.NewEmail(), rand.Text()
	registered, err := c.Register(ctx, client.RegisterRequest{Email: email, Password: password, Name: "Ada Byron"})
	require.NoError(t, err)
	_, err = c.SignIn(ctx, email, "wrong"+password)
	require.True(t, client.IsProblem(err, "invalid-credentials"), "%v", err)
	ada, err := c.SignIn(ctx, email, password)
	require.NoError(t, err)
	me, err := ada.GetMe(ctx, client.GetMeParams{})
	require.NoError(t, err)
	require.Equal(t, registered.Value.ID, me.Value.ID)
	same, err := ada.GetMe(ctx, client.GetMeParams{IfNoneMatch: me.ETag()})
	require.NoError(t, err)
	require.True(t, same.NotModified())

	found, err := c.ListProducts(ctx, client.ListProductsParams{Q: sku, InStock: client.Ptr(true)})
	require.NoError(t, err)
	require.EqualValues(t, 1, found.Value.Total)

	cart, err := ada.CreateCart(ctx, client.CreateCartRequest{})
	require.NoError(t, err)
	two, three := client.SetItemRequest{Quantity: 2}, client.SetItemRequest{Quantity: 3}
	ifMatch := client.SetCartItemParams{IfMatch: cart.ETag()}
	_, err = ada.SetCartItem(ctx, cart.Value.ID, sku, two, client.SetCartItemParams{})
	require.True(t, client.IsProblem(err, "precondition-required"), "%v", err)
	full, err := ada.SetCartItem(ctx, cart.Value.ID, sku, two, ifMatch)
	require.NoError(t, err)
	_, err = ada.SetCartItem(ctx, cart.Value.ID, sku, three, ifMatch)
	require.True(t, client.IsProblem(err, "precondition-failed"), "%v", err)

	key := client.PlaceOrderParams{IdempotencyKey: rand.Text()}
	placement := placementOf(cart.Value.ID)
	order, err := ada.PlaceOrder(ctx, placement, key)
	require.NoError(t, err)
	require.Equal(t, client.OrderStatusConfirmed, order.Value.Status)
	require.Equal(t, full.Value.Subtotal, order.Value.Subtotal)
	again, err := ada.PlaceOrder(ctx, placement, key)
	require.NoError(t, err)
	require.True(t, again.Replayed())
	require.Equal(t, order.Value, again.Value)

	read, err := ada.GetOrder(ctx, order.Value.ID, client.GetOrderParams{})
	require.NoError(t, err)
	require.Equal(t, order.Value.Number, read.Value.Number)
	_, err = c.GetOrder(ctx, order.Value.ID, client.GetOrderParams{})
	require.True(t, client.IsProblem(err, "not-found"), "%v", err)
	reason := client.CancelOrderRequest{Reason: "changed my mind"}
	cancelled, err := ada.CancelOrder(ctx, order.Value.ID, reason, client.CancelOrderParams{})
	require.NoError(t, err)
	require.Equal(t, client.OrderStatusCancelled, cancelled.Value.Status)
	for followed, err := range ada.FollowOrder(ctx, order.Value.ID, "") {
		require.NoError(t, err)
		require.Equal(t, client.OrderStatusCancelled, followed.Status)
		break
	}
	listed, err := ada.ListOrders(ctx, client.ListOrdersParams{})
	require.NoError(t, err)
	require.Len(t, listed.Value.Items, 1)
	require.NoError(t, ada.SignOut(ctx))
	_, err = ada.GetMe(ctx, client.GetMeParams{})
	require.Error(t, err)
}

func TestGoClientIsRefused(t *testing.T) {
	guest(t)
	sku, ctx := importProduct(t, 1), t.Context()
	c := client.New(sharedShop.GatewayURL(), nil)
	fill := func(quantity int) string {
		cart, err := c.CreateCart(ctx, client.CreateCartRequest{})
		require.NoError(t, err)
		item := client.SetItemRequest{Quantity: quantity}
		_, err = c.SetCartItem(ctx, cart.Value.ID, sku, item, client.SetCartItemParams{IfMatch: "*"})
		require.NoError(t, err)
		return cart.Value.ID
	}

	_, err := c.PlaceOrder(ctx, placementOf(fill(2)), client.PlaceOrderParams{})
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "out-of-stock", p.Name())
	var lines []api.OutOfStockLine
	require.NoError(t, p.Member("lines", &lines))
	require.Equal(t, []api.OutOfStockLine{{SKU: sku, Requested: 2, Available: 1}}, lines)

	placement := placementOf(fill(1))
	placement.Payment.Token = api.Declined
	_, err = c.PlaceOrder(ctx, placement, client.PlaceOrderParams{})
	require.True(t, client.IsProblem(err, "payment-declined"), "%v", err)

	placement.ShippingAddress.Country = "Germany"
	_, err = c.PlaceOrder(ctx, placement, client.PlaceOrderParams{})
	require.ErrorAs(t, err, &p)
	require.Equal(t, "body.shippingAddress.country", p.Errors[0].Location)

	_, err = c.ListUsers(ctx, client.ListUsersParams{})
	require.True(t, client.IsProblem(err, "unauthenticated"), "%v", err)
}

// The administrator imports a product, ships an order and receives a return.
func TestGoClientAdministersTheShop(t *testing.T) {
	guest(t)
	ctx := t.Context()
	c := client.New(sharedShop.GatewayURL(), nil)
	staff, err := c.SignIn(ctx, api.AdminEmail, api.AdminPassword)
	require.NoError(t, err)
	sku := "GO-" + rand.Text()[:12]
	file := "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\n" +
		strings.ToLower(sku) + ",Hat," + sku + ",5,19.99\n"
	report, err := staff.ImportProducts(ctx, client.CSV, strings.NewReader(file), "EUR")
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Value.Created, "%+v", report.Value)

	cart, err := c.CreateCart(ctx, client.CreateCartRequest{})
	require.NoError(t, err)
	two := client.SetItemRequest{Quantity: 2}
	_, err = c.SetCartItem(ctx, cart.Value.ID, sku, two, client.SetCartItemParams{IfMatch: "*"})
	require.NoError(t, err)
	order, err := c.PlaceOrder(ctx, placementOf(cart.Value.ID), client.PlaceOrderParams{})
	require.NoError(t, err)
	id, token := order.Value.ID, order.Value.AccessToken

	parcel := client.CreateFulfilmentRequest{
		Lines: []client.LineInput{{SKU: sku, Quantity: 2}}, Carrier: "DHL", TrackingNumber: "1",
	}
	_, err = c.CreateFulfilment(ctx, id, parcel, client.CreateFulfilmentParams{})
	require.True(t, client.IsProblem(err, "unauthenticated"), "%v", err)
	shipped, err := staff.CreateFulfilment(ctx, id, parcel, client.CreateFulfilmentParams{})
	require.NoError(t, err)
	require.Equal(t, client.OrderStatusFulfilled, shipped.Value.Status)
	lines := client.RequestReturnRequest{Lines: []client.LineInput{{SKU: sku, Quantity: 1}}, Reason: "too small"}
	requested, err := c.RequestReturn(ctx, id, lines, client.RequestReturnParams{XOrderToken: token})
	require.NoError(t, err)
	restock := client.ReceiveReturnRequest{Restock: true}
	received, err := staff.ReceiveReturn(ctx, id, requested.Value.Returns[0].ID, restock)
	require.NoError(t, err)
	require.NotNil(t, received.Value.Returns[0].Refunded)
	stock, err := staff.GetStock(ctx, sku, client.GetStockParams{})
	require.NoError(t, err)
	require.EqualValues(t, 4, stock.Value.OnHand)
}
