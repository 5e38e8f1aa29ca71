package buyers

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"haberdash/tests/api"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/view"
)

// Order acts on one order as one caller. Each action is repeated until it has a final answer, which is recorded.
type Order struct {
	client *Client
	id     string
	token  string // of a guest's order; otherwise empty
}

// Order returns the order with the id. token is the access token of a guest's order, and empty for other callers.
func (c *Client) Order(id, token string) Order { return Order{c, id, token} }

const invalidTransition = "409 invalid-transition"

// Cancel cancels the order. It returns the status of the answer.
func (o Order) Cancel(ctx context.Context) (status int, err error) {
	_, status, err = o.act(ctx, record.Action{Kind: "cancel"}, "/cancel", "", nil, invalidTransition)
	return status, err
}

// Fulfil ships lines of the order. It returns the order and the status of the answer.
func (o Order) Fulfil(ctx context.Context, key string, lines []api.Item) (view.Order, int, error) {
	body := map[string]any{"lines": lines, "carrier": "DHL", "trackingNumber": key}
	return o.act(ctx, record.Action{Kind: "fulfil", Lines: lines}, "/fulfilments", key, body, invalidTransition)
}

// Deliver records that a parcel has arrived.
func (o Order) Deliver(ctx context.Context, fulfilment string) (view.Order, error) {
	path := "/fulfilments/" + fulfilment + "/deliver"
	changed, _, err := o.act(ctx, record.Action{Kind: "deliver", Part: fulfilment}, path, "", nil)
	return changed, err
}

// RequestReturn requests the return of lines. It returns the id of the return.
func (o Order) RequestReturn(ctx context.Context, key string, lines []api.Item) (string, error) {
	body := map[string]any{"lines": lines, "reason": "too small"}
	changed, _, err := o.act(ctx, record.Action{Kind: "return", Lines: lines}, "/returns", key, body)
	return newestPart(changed, "return"), err
}

// Receive records that a return has arrived.
func (o Order) Receive(ctx context.Context, ret string, restock bool) (view.Order, error) {
	action := record.Action{Kind: "receive", Part: ret, Restock: restock}
	changed, _, err := o.act(ctx, action, "/returns/"+ret+"/receive", "", map[string]bool{"restock": restock})
	return changed, err
}

// Refund refunds an amount.
func (o Order) Refund(ctx context.Context, key string, amount api.Money) error {
	body := map[string]any{"amount": amount, "reason": "sorry"}
	_, _, err := o.act(ctx, record.Action{Kind: "refund", Amount: amount.Amount}, "/refunds", key, body,
		"409 amount-exceeds-captured")
	return err
}

// act sends the request of an action and records the final answer. allowed are the problems with which the shop may
// refuse the action, such as "409 invalid-transition". The order is that of the answer, and empty after a refusal.
func (o Order) act(
	ctx context.Context, action record.Action, path, key string, body any, allowed ...string,
) (changed view.Order, status int, err error) {
	header := map[string]string{}
	if o.token != "" {
		header["X-Order-Token"] = o.token
	}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	a, err := o.client.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders/" + o.id + path, Header: header, Body: body,
	})
	if err != nil {
		return changed, 0, err
	}
	rec := o.client.buyers.Record
	action.Order, action.Status = o.id, a.Status
	if a.Status >= 300 {
		action.Problem = a.Problem().Name()
		if refusal := fmt.Sprintf("%d %s", a.Status, action.Problem); !slices.Contains(allowed, refusal) {
			rec.AddViolation(0, "order %s: unexpected answer %s to %s: %.300s", o.id, refusal, action.Kind, a.Body)
		}
	} else if err = a.Decode(&changed); err != nil {
		return changed, a.Status, fmt.Errorf("order %s: %s: %w", o.id, action.Kind, err)
	}
	if action.Kind == "fulfil" || action.Kind == "return" {
		action.Part = newestPart(changed, action.Kind)
	}
	rec.AddAction(action)
	return changed, a.Status, nil
}

// newestPart returns the id of the newest fulfilment or return. The shop lists the newest one last.
func newestPart(o view.Order, kind string) string {
	if kind == "fulfil" && len(o.Fulfilments) > 0 {
		return o.Fulfilments[len(o.Fulfilments)-1].ID
	}
	if kind == "return" && len(o.Returns) > 0 {
		return o.Returns[len(o.Returns)-1].ID
	}
	return ""
}
