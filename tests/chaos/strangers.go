package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"haberdash/tests/api"
)

// Strangers try to read and to change what is not theirs: orders and carts. All of it must look as if it did not exist.
func (w *World) Strangers(ctx context.Context, b *Books, name string) ([]Violation, error) {
	stranger := &person{w: w, name: name, email: name + "@example.test", password: "a password of " + name}
	if err := stranger.register(ctx); err != nil {
		return nil, err
	}
	guest := &person{w: w, name: "guest"}
	c := &check{invariant: 7, Books: b, witness: w.Witness}
	try := func(who *person, token string, r api.Request, order string) error {
		if token != "" {
			r.Header = map[string]string{"X-Order-Token": token}
		}
		a, err := who.once(ctx, r)
		if err != nil {
			return err
		}
		if a.Status != http.StatusNotFound {
			c.broken(order, "%s with the token %q gets %d for %s %s: %.200s", who.name, token, a.Status, r.Method, r.Path, a.Body)
		}
		return nil
	}
	var placements []*Placement
	w.Witness.note(func() {
		for _, p := range w.Witness.placements {
			if p.Order.ID != "" {
				placements = append(placements, p)
			}
		}
	})
	slices.SortFunc(placements, func(a, b *Placement) int { return strings.Compare(a.Key, b.Key) })
	const most = 20
	for i, p := range placements[:min(most, len(placements))] {
		path := "/api/v1/orders/" + p.Order.ID
		other := "made-up"
		if next := placements[(i+1)%len(placements)]; next != p {
			other = next.Order.AccessToken // of another order; empty if that is a customer's
		}
		for _, r := range []api.Request{
			{Method: http.MethodGet, Path: path}, {Method: http.MethodGet, Path: path + "/events"},
			{Method: http.MethodPost, Path: path + "/cancel"},
			{Method: http.MethodPost, Path: path + "/returns", Body: map[string]any{"reason": "mine", "lines": p.Order.items()}},
		} {
			for _, who := range []*person{stranger, guest} {
				if err := try(who, other, r, p.Order.ID); err != nil {
					return nil, err
				}
			}
		}
		if p.Customer == nil {
			continue
		}
		for _, who := range []*person{stranger, guest} {
			if err := try(who, "", api.Request{Method: http.MethodGet, Path: "/api/v1/carts/" + p.Cart}, ""); err != nil {
				return nil, fmt.Errorf("cart %s: %w", p.Cart, err)
			}
		}
	}
	return c.found, nil
}
