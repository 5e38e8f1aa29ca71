package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"haberdash/tests/api"
)

// handle is what somebody can do with an order. Each action is repeated until it is answered for good, and written
// down with that answer.
type handle struct {
	w     *World
	who   *person
	id    string
	token string // a guest's
}

// do acts. allowed are the refusals that circumstances may bring, as "409 invalid-transition".
func (h handle) do(ctx context.Context, act Act, path, key string, body any, allowed ...string) (o Order, status int, err error) {
	header := map[string]string{}
	if h.token != "" {
		header["X-Order-Token"] = h.token
	}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	a, err := h.who.once(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/orders/" + h.id + path, Header: header, Body: body})
	if err != nil {
		return o, 0, err
	}
	act.Order, act.Status = h.id, a.Status
	if a.Status >= 300 {
		act.Problem = a.Problem().Name()
		if what := fmt.Sprintf("%d %s", a.Status, act.Problem); !slices.Contains(allowed, what) {
			h.w.Witness.surprise(0, "order %s: %s is answered with %s: %.300s", h.id, act.Kind, what, a.Body)
		}
	} else if err = a.Decode(&o); err != nil {
		return o, a.Status, fmt.Errorf("order %s: %s: %w", h.id, act.Kind, err)
	}
	if act.Kind == "fulfil" || act.Kind == "return" {
		act.Part = newest(o, act.Kind)
	}
	h.w.Witness.note(func() { h.w.Witness.acts = append(h.w.Witness.acts, act) })
	return o, a.Status, nil
}

// newest is the part that an answer to its making shows last.
func newest(o Order, kind string) string {
	if kind == "fulfil" && len(o.Fulfilments) > 0 {
		return o.Fulfilments[len(o.Fulfilments)-1].ID
	}
	if kind == "return" && len(o.Returns) > 0 {
		return o.Returns[len(o.Returns)-1].ID
	}
	return ""
}

const notAllowed = "409 invalid-transition"

func (h handle) cancel(ctx context.Context) (status int, err error) {
	_, status, err = h.do(ctx, Act{Kind: "cancel"}, "/cancel", "", nil, notAllowed)
	return status, err
}

func (h handle) fulfil(ctx context.Context, key string, lines []api.Item) (Order, int, error) {
	return h.do(ctx, Act{Kind: "fulfil", Lines: lines}, "/fulfilments", key,
		map[string]any{"lines": lines, "carrier": "DHL", "trackingNumber": key}, notAllowed)
}

func (h handle) deliver(ctx context.Context, part string) (Order, error) {
	o, _, err := h.do(ctx, Act{Kind: "deliver", Part: part}, "/fulfilments/"+part+"/deliver", "", nil)
	return o, err
}

// sendBack asks for a return and gives its id.
func (h handle) sendBack(ctx context.Context, key string, lines []api.Item) (string, error) {
	o, _, err := h.do(ctx, Act{Kind: "return", Lines: lines}, "/returns", key, map[string]any{"lines": lines, "reason": "too small"})
	return newest(o, "return"), err
}

func (h handle) receive(ctx context.Context, part string, restock bool) (Order, error) {
	o, _, err := h.do(ctx, Act{Kind: "receive", Part: part, Restock: restock}, "/returns/"+part+"/receive", "", map[string]bool{"restock": restock})
	return o, err
}

func (h handle) refund(ctx context.Context, key string, amount api.Money) error {
	_, _, err := h.do(ctx, Act{Kind: "refund", Amount: amount.Amount}, "/refunds", key,
		map[string]any{"amount": amount, "reason": "sorry"}, "409 amount-exceeds-captured")
	return err
}
