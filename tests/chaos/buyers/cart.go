package buyers

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/view"
)

// errChanged is the error of a change of a cart that succeeded: the cart has to be read again.
var errChanged = fmt.Errorf("%w: the cart has changed", errNotFinal)

// FillCart makes a cart with exactly the items and the coupon of a purchase, and returns its id.
func (c *Client) FillCart(ctx context.Context, p plan.Purchase) (id string, err error) {
	create := api.Request{Method: http.MethodPost, Path: "/api/v1/carts", Body: struct{}{}}
	if c.email != "" {
		create = api.Request{Method: http.MethodGet, Path: "/api/v1/carts/mine"}
	}
	a, err := c.Do(ctx, create)
	if err != nil {
		return "", err
	}
	var cart view.Cart
	if err := a.Decode(&cart); err != nil {
		return "", fmt.Errorf("%s: create a cart: %w", c.Name, err)
	}
	id = cart.ID
	err = c.buyers.Retry(ctx, c.Name+": filling a cart", func(ctx context.Context) error {
		return c.changeCart(ctx, id, p)
	})
	noted := record.Cart{Items: p.Items}
	if c.email != "" {
		noted.Owner = c.Name
	}
	c.buyers.Record.SetCart(id, noted)
	return id, err
}

// changeCart reads a cart and makes the first change that it still needs. It returns nil if it needs none. Otherwise
// it must be called again, also after a change that got no answer or met another version of the cart.
func (c *Client) changeCart(ctx context.Context, id string, p plan.Purchase) error {
	path := "/api/v1/carts/" + id
	a, err := c.attempt(ctx, api.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	var cart view.Cart
	if err := a.Decode(&cart); err != nil {
		return err
	}
	change := func(method, path string, body any) error {
		a, err := c.attempt(ctx, api.Request{
			Method: method, Path: path, Header: map[string]string{"If-Match": a.Header.Get("ETag")}, Body: body,
		})
		if err == nil && a.Status == http.StatusOK {
			err = errChanged
		} else if err == nil {
			err = a.Problem()
		}
		return err
	}
	for _, item := range cart.Items {
		if !slices.ContainsFunc(p.Items, func(i api.Item) bool { return i.SKU == item.SKU }) {
			return change(http.MethodDelete, path+"/items/"+item.SKU, nil)
		}
	}
	for _, item := range p.Items {
		if !slices.Contains(cart.Items, item) {
			return change(http.MethodPut, path+"/items/"+item.SKU, map[string]int64{"quantity": item.Quantity})
		}
	}
	if p.Coupon != "" && !slices.Contains(cart.Coupons, p.Coupon) {
		return change(http.MethodPost, path+"/coupons", map[string]string{"code": p.Coupon})
	}
	return nil
}
