package api

import (
	"context"
	"net/http"
)

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

// AskReturn requests the return of lines, for the customer. orderToken is the token of a guest's order; empty for an
// account.
func (c *Client) AskReturn(ctx context.Context, order, orderToken, key string, lines ...Item) (Order, error) {
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
