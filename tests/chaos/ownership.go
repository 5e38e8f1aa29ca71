package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"haberdash/tests/api"
	"haberdash/tests/chaos/buyers"
	"haberdash/tests/chaos/record"
)

// TryForeignAccess has a new customer and a guest try to read and to change the orders and carts of other buyers. The
// shop must answer 404 to all of it. It returns the violations.
func (h *Harness) TryForeignAccess(ctx context.Context, customer string) ([]record.Violation, error) {
	stranger, err := h.Buyers.NewCustomer(ctx, customer)
	if err != nil {
		return nil, err
	}
	a := &accessCheck{callers: []*buyers.Client{stranger, h.Buyers.Guest("guest")}}
	placements := h.placementsWithOrder()
	const limit = 20
	for i, p := range placements[:min(limit, len(placements))] {
		token := "made-up"
		if next := placements[(i+1)%len(placements)]; next != p {
			token = next.Order.AccessToken // of another order; empty if that one belongs to a customer
		}
		if err := a.tryOrder(ctx, p, token); err != nil {
			return nil, err
		}
		if p.Customer == "" {
			continue // a guest's cart has no owner
		}
		if err := a.try(ctx, "", api.Request{Method: http.MethodGet, Path: "/api/v1/carts/" + p.Cart}, ""); err != nil {
			return nil, fmt.Errorf("cart %s: %w", p.Cart, err)
		}
	}
	return a.found, nil
}

// placementsWithOrder returns the placements that made an order, sorted by key.
func (h *Harness) placementsWithOrder() (placements []*record.Placement) {
	for _, p := range h.Record.Placements {
		if p.Order.ID != "" {
			placements = append(placements, p)
		}
	}
	slices.SortFunc(placements, func(a, b *record.Placement) int { return strings.Compare(a.Key, b.Key) })
	return placements
}

// accessCheck sends requests as callers who must not have access.
type accessCheck struct {
	callers []*buyers.Client
	found   []record.Violation
}

func (a *accessCheck) tryOrder(ctx context.Context, p *record.Placement, token string) error {
	path := "/api/v1/orders/" + p.Order.ID
	for _, r := range []api.Request{
		{Method: http.MethodGet, Path: path},
		{Method: http.MethodGet, Path: path + "/events"},
		{Method: http.MethodPost, Path: path + "/cancel"},
		{
			Method: http.MethodPost, Path: path + "/returns",
			Body: map[string]any{"reason": "mine", "lines": p.Order.Items()},
		},
	} {
		if err := a.try(ctx, token, r, p.Order.ID); err != nil {
			return err
		}
	}
	return nil
}

// try sends a request as each caller, and reports every answer but 404 as a violation. token is an order token, or
// empty for none. order is the order that the request concerns, if any.
func (a *accessCheck) try(ctx context.Context, token string, r api.Request, order string) error {
	if token != "" {
		r.Header = map[string]string{"X-Order-Token": token}
	}
	for _, caller := range a.callers {
		answer, err := caller.Do(ctx, r)
		if err != nil {
			return err
		}
		if answer.Status != http.StatusNotFound {
			a.found = append(a.found, record.Violation{Invariant: 7, Order: order, Text: fmt.Sprintf(
				"%s with the token %q gets %d for %s %s: %.200s",
				caller.Name, token, answer.Status, r.Method, r.Path, answer.Body)})
		}
	}
	return nil
}
