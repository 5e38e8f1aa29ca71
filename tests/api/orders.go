package api

import (
	"context"
	"net/http"
	"net/url"
)

// NewPlacement returns the order of a cart that is shipped to Home and paid with the token of a card.
func NewPlacement(cart Cart, token string) Placement {
	return Placement{
		CartID: cart.ID, Email: NewEmail(), ShippingAddress: Home,
		Payment: Payment{Method: "card", Token: token},
	}
}

// Place places an order with an idempotency key. The body is a Placement, or JSON that is sent unchanged.
func (c *Client) Place(ctx context.Context, key string, body any) (*Answer, error) {
	return c.Do(ctx, Request{
		Method: http.MethodPost, Path: "/api/v1/orders", Header: map[string]string{"Idempotency-Key": key}, Body: body,
	})
}

// Checkout places an order of a cart. It returns the order of an answer 201 or 202, or the *Problem.
func (c *Client) Checkout(ctx context.Context, cart Cart, token, key string) (Order, error) {
	a, err := c.Place(ctx, key, NewPlacement(cart, token))
	if err != nil {
		return Order{}, err
	}
	var o Order
	err = a.Decode(&o)
	return o, err
}

// Order reads an order. orderToken is the token of a guest's order; empty for an account.
func (c *Client) Order(ctx context.Context, id, orderToken string) (Order, error) {
	return get[Order](ctx, c, "/api/v1/orders/"+id, orderHeader(orderToken))
}

// Orders lists orders.
func (c *Client) Orders(ctx context.Context, query url.Values) (List[Order], error) {
	return get[List[Order]](ctx, c, "/api/v1/orders?"+query.Encode(), nil)
}

// Events reads an order's history.
func (c *Client) Events(ctx context.Context, id, orderToken string) ([]Event, error) {
	return get[[]Event](ctx, c, "/api/v1/orders/"+id+"/events", orderHeader(orderToken))
}

// Fulfil ships lines of an order, for staff. The idempotency key may be empty.
func (c *Client) Fulfil(ctx context.Context, order, key string, lines ...Item) (Order, error) {
	return c.postOrder(ctx, order, "/fulfilments", key, "", map[string]any{
		"lines": lines, "carrier": "DHL", "trackingNumber": "JJD000001",
	})
}

// Deliver records that a parcel has arrived, for staff.
func (c *Client) Deliver(ctx context.Context, order, fulfilment string) (Order, error) {
	return c.postOrder(ctx, order, "/fulfilments/"+fulfilment+"/deliver", "", "", nil)
}

// RequestReturn requests the return of lines, for the customer. orderToken is the token of a guest's order; empty for
// an account.
func (c *Client) RequestReturn(ctx context.Context, order, orderToken, key string, lines ...Item) (Order, error) {
	return c.postOrder(ctx, order, "/returns", key, orderToken, map[string]any{"lines": lines, "reason": "too small"})
}

// Receive records that a return has arrived, for staff.
func (c *Client) Receive(ctx context.Context, order, ret string, restock bool) (Order, error) {
	return c.postOrder(ctx, order, "/returns/"+ret+"/receive", "", "", map[string]bool{"restock": restock})
}

// Refund refunds an amount, for staff.
func (c *Client) Refund(ctx context.Context, order, key string, amount Money) (Order, error) {
	return c.postOrder(ctx, order, "/refunds", key, "", map[string]any{"amount": amount, "reason": "sorry"})
}

// Cancel cancels an order. orderToken is the token of a guest's order; empty for an account.
func (c *Client) Cancel(ctx context.Context, order, orderToken string) (Order, error) {
	return c.postOrder(ctx, order, "/cancel", "", orderToken, nil)
}

func (c *Client) postOrder(ctx context.Context, order, path, key, orderToken string, body any) (Order, error) {
	header := orderHeader(orderToken)
	if header == nil {
		header = map[string]string{}
	}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	return call[Order](ctx, c, Request{
		Method: http.MethodPost, Path: "/api/v1/orders/" + order + path, Header: header, Body: body,
	})
}

// orderHeader returns the header with the token of a guest's order, or nil if the token is empty.
func orderHeader(token string) map[string]string {
	if token == "" {
		return nil
	}
	return map[string]string{"X-Order-Token": token}
}
