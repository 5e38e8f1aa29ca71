package buyers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
)

// buy fills a cart and orders it. If the order is confirmed, it goes through its lifecycle.
func (c *Client) buy(ctx context.Context, p plan.Purchase) error {
	if err := c.buyers.Shop.Progress.WaitForKill(ctx); err != nil {
		return err
	}
	cart, err := c.FillCart(ctx, p)
	if err != nil {
		return err
	}
	request := PlacementRequest(p, cart)
	answers, err := c.DoCopies(ctx, request, p.Copies, p.Disconnects)
	if err != nil {
		return err
	}
	placement, err := c.RecordPlacement(p, cart, answers)
	if err != nil {
		return err
	}
	if placement.Status() == http.StatusCreated {
		if err := c.buyers.runLifecycle(ctx, c, placement.Order, p.Lifecycle); err != nil {
			return err
		}
	}
	if p.Repeats {
		again, err := c.Do(ctx, request)
		if err != nil {
			return err
		}
		c.buyers.Record.AddAnswer(placement, again)
	}
	return nil
}

// PlacementRequest returns the request that orders the cart of a purchase.
func PlacementRequest(p plan.Purchase, cart string) api.Request {
	address := api.Home
	address.Country = p.Country
	return api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders", Header: map[string]string{"Idempotency-Key": p.Key},
		Body: api.Placement{
			CartID: cart, Email: p.Email, ShippingAddress: address, Payment: api.Payment{Method: "card", Token: p.Token},
		},
	}
}

// refusals are the problems with which the shop may refuse a placement.
var refusals = []string{
	"402 payment-declined", "409 out-of-stock", "409 price-changed", "409 cart-changed", "422 empty-cart",
}

// RecordPlacement records the final answers to the placement of a purchase.
func (c *Client) RecordPlacement(p plan.Purchase, cart string, answers []*api.Answer) (*record.Placement, error) {
	placement := &record.Placement{Key: p.Key, Email: p.Email, Cart: cart, Answers: answers}
	if c.email != "" {
		placement.Customer = c.Name
	}
	a := answers[0]
	if a.Status == http.StatusCreated {
		if err := json.Unmarshal(a.Body, &placement.Order); err != nil {
			return nil, fmt.Errorf("key %s: %w: %.300s", p.Key, err, a.Body)
		}
	} else if refusal := fmt.Sprintf("%d %s", a.Status, a.Problem().Name()); !slices.Contains(refusals, refusal) {
		c.buyers.Record.AddViolation(0, "key %s: unexpected answer %s to a placement: %.300s", p.Key, refusal, a.Body)
	}
	c.buyers.Record.AddPlacement(placement)
	return placement, nil
}
