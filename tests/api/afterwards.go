package api

import (
	"context"
	"net/http"
)

// Fulfil sends lines of an order (staff); key may be empty.
func (c *Client) Fulfil(ctx context.Context, order, key string, lines ...Item) (Order, error) {
	return c.toOrder(ctx, order, "/fulfilments", key, "", map[string]any{"lines": lines, "carrier": "DHL", "trackingNumber": "JJD000001"})
}

// Deliver records that a parcel has arrived (staff).
func (c *Client) Deliver(ctx context.Context, order, fulfilment string) (Order, error) {
	return c.toOrder(ctx, order, "/fulfilments/"+fulfilment+"/deliver", "", "", nil)
}

// AskReturn asks to send lines back (owner); orderToken is a guest's, or empty.
func (c *Client) AskReturn(ctx context.Context, order, orderToken, key string, lines ...Item) (Order, error) {
	return c.toOrder(ctx, order, "/returns", key, orderToken, map[string]any{"lines": lines, "reason": "too small"})
}

// Receive records that a return has come in (staff).
func (c *Client) Receive(ctx context.Context, order, ret string, restock bool) (Order, error) {
	return c.toOrder(ctx, order, "/returns/"+ret+"/receive", "", "", map[string]bool{"restock": restock})
}

// Refund gives money back (staff).
func (c *Client) Refund(ctx context.Context, order, key string, amount Money) (Order, error) {
	return c.toOrder(ctx, order, "/refunds", key, "", map[string]any{"amount": amount, "reason": "sorry"})
}

// Cancel cancels an order; orderToken is a guest's, or empty.
func (c *Client) Cancel(ctx context.Context, order, orderToken string) (Order, error) {
	return c.toOrder(ctx, order, "/cancel", "", orderToken, nil)
}

func (c *Client) toOrder(ctx context.Context, order, path, key, orderToken string, body any) (Order, error) {
	header := orderHeader(orderToken)
	if header == nil {
		header = map[string]string{}
	}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	return call[Order](ctx, c, Request{Method: http.MethodPost, Path: "/api/v1/orders/" + order + path, Header: header, Body: body})
}
