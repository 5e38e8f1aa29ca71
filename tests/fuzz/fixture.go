package main

import (
	"context"
	"fmt"
	"strings"

	"haberdash/tests/api"
)

// fixture has the account of the caller, and values of existing objects for the requests: dictionaries, by the file
// names in schemathesis.toml.
type fixture struct {
	email, password string
	dictionaries    map[string][]string
}

// newFixture creates the account of a customer, and products, orders and carts for the caller.
func newFixture(ctx context.Context, guest *api.Client, caller string) (fixture, error) {
	f := fixture{email: api.AdminEmail, password: api.AdminPassword, dictionaries: map[string][]string{}}
	admin, err := guest.AsAdmin(ctx)
	if err != nil {
		return f, err
	}
	buyer := guest
	if caller != "nobody" {
		f.email, f.password = api.NewEmail(), "fuzz-password-1"
		user, err := guest.Register(ctx, f.email, f.password, "Ada Byron")
		if err != nil {
			return f, err
		}
		session, err := guest.Login(ctx, f.email, f.password)
		if err != nil {
			return f, err
		}
		buyer = guest.As(session.AccessToken)
		f.add("users.txt", user.ID)
	}
	if caller == "admin" { // may read all objects of the customer
		f.email, f.password = api.AdminEmail, api.AdminPassword
	}
	f.add("users.txt", "unknown")
	handle := "fuzz-" + strings.ToLower(api.NewKey()[:8])
	csv := "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\n" +
		handle + ",Fuzz," + strings.ToUpper(handle) + ",100000,19.99\n"
	if _, err := admin.Import(ctx, "text/csv", []byte(csv)); err != nil {
		return f, err
	}
	product, err := guest.Product(ctx, handle)
	if err != nil {
		return f, err
	}
	f.add("products.txt", product.ID, product.Handle)
	f.add("skus.txt", product.Variants[0].SKU)
	for i := range 8 { // products that may be changed and deleted
		f.add("doomed.txt", fmt.Sprintf("doomed-%s-%d", strings.ToLower(api.NewKey()[:6]), i))
		line := fmt.Sprintf(`{"handle": %q, "title": "Doomed", "variants": [{"price": {"amount": 1, "currency": "EUR"}}]}`,
			f.dictionaries["doomed.txt"][i])
		if _, err := admin.Import(ctx, "application/x-ndjson", []byte(line)); err != nil {
			return f, err
		}
	}
	if err := f.addOrders(ctx, guest, buyer, admin, product.Variants[0].SKU); err != nil {
		return f, err
	}
	for _, c := range []*api.Client{buyer, guest, guest} {
		cart, err := c.NewCart(ctx, api.Item{SKU: product.Variants[0].SKU, Quantity: 1})
		if err != nil {
			return f, err
		}
		f.add("carts.txt", cart.ID)
	}
	return f, f.addSessions(ctx, guest)
}

// addSessions adds another customer, whose address, password and refresh tokens the requests may use.
func (f fixture) addSessions(ctx context.Context, guest *api.Client) error {
	email, password := api.NewEmail(), "fuzz-password-2"
	if _, err := guest.Register(ctx, email, password, "Charles Babbage"); err != nil {
		return err
	}
	for range 3 {
		s, err := guest.Login(ctx, email, password)
		if err != nil {
			return err
		}
		f.add("refresh-tokens.txt", s.RefreshToken)
	}
	f.add("mailboxes.txt", email, api.NewEmail())
	f.add("passwords.txt", password, f.password)
	f.add("own-password.txt", f.password)
	return nil
}

func (f fixture) add(name string, entries ...string) {
	f.dictionaries[name] = append(f.dictionaries[name], entries...)
}

// addOrders places three orders: one is not shipped, one is partly shipped, and one is also partly returned. More of
// each of them can be shipped and returned.
func (f fixture) addOrders(ctx context.Context, guest, buyer, admin *api.Client, sku string) error {
	line := func(quantity int64) api.Item { return api.Item{SKU: sku, Quantity: quantity} }
	for i := range 3 {
		cart, err := guest.NewCart(ctx, line(90)) // a customer's own cart is emptied only some time after the order
		if err != nil {
			return err
		}
		order, err := buyer.Checkout(ctx, cart, api.Visa, api.NewKey())
		if err != nil {
			return err
		}
		token := order.AccessToken
		f.add("orders.txt", order.ID)
		f.add("order-tokens.txt", token+"x") // so that the file exists: a customer's order has no token
		if token != "" {
			f.add("order-tokens.txt", token)
		}
		if i > 0 {
			if order, err = admin.Fulfil(ctx, order.ID, api.NewKey(), line(40)); err != nil {
				return err
			}
			f.add("fulfilments.txt", order.Fulfilments[0].ID)
		}
		if i > 1 {
			if order, err = buyer.RequestReturn(ctx, order.ID, token, api.NewKey(), line(1)); err != nil {
				return err
			}
			f.add("returns.txt", order.Returns[0].ID)
		}
	}
	return nil
}
