package main

import (
	"context"
	"fmt"
	"strings"

	"haberdash/tests/api"
)

// testData is the account that Schemathesis uses, and dictionaries of existing ids, names and passwords for its
// requests. Their file names are those in schemathesis.toml.
type testData struct {
	email, password string
	dictionaries    map[string][]string
}

// prepareData creates products, carts and orders in several states. The orders are those of a guest if the caller is
// nobody, and otherwise those of a new customer.
func prepareData(ctx context.Context, guest *api.Client, caller string) (testData, error) {
	d := testData{email: api.AdminEmail, password: api.AdminPassword, dictionaries: map[string][]string{}}
	admin, err := guest.AsAdmin(ctx)
	if err != nil {
		return d, err
	}
	buyer := guest
	if caller != "nobody" {
		d.email, d.password = api.NewEmail(), "fuzz-password-1"
		user, err := guest.Register(ctx, d.email, d.password, "Ada Byron")
		if err != nil {
			return d, err
		}
		session, err := guest.Login(ctx, d.email, d.password)
		if err != nil {
			return d, err
		}
		buyer = guest.As(session.AccessToken)
		d.add("users.txt", user.ID)
	}
	if caller == "admin" { // can see everything of the customer
		d.email, d.password = api.AdminEmail, api.AdminPassword
	}
	d.add("users.txt", "unknown")
	handle := "fuzz-" + strings.ToLower(api.NewKey()[:8])
	csv := "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\n" +
		handle + ",Fuzz," + strings.ToUpper(handle) + ",100000,19.99\n"
	if _, err := admin.Import(ctx, "text/csv", []byte(csv)); err != nil {
		return d, err
	}
	product, err := guest.Product(ctx, handle)
	if err != nil {
		return d, err
	}
	d.add("products.txt", product.ID, product.Handle)
	d.add("skus.txt", product.Variants[0].SKU)
	for i := range 8 {
		deletable := fmt.Sprintf("deletable-%s-%d", strings.ToLower(api.NewKey()[:6]), i)
		d.add("deletable.txt", deletable)
		const format = `{"handle": %q, "title": "Deletable", "variants": [{"price": {"amount": 1, "currency": "EUR"}}]}`
		line := fmt.Sprintf(format, deletable)
		if _, err := admin.Import(ctx, "application/x-ndjson", []byte(line)); err != nil {
			return d, err
		}
	}
	if err := d.addOrders(ctx, guest, buyer, admin, product.Variants[0].SKU); err != nil {
		return d, err
	}
	for _, c := range []*api.Client{buyer, guest, guest} {
		cart, err := c.NewCart(ctx, api.Item{SKU: product.Variants[0].SKU, Quantity: 1})
		if err != nil {
			return d, err
		}
		d.add("carts.txt", cart.ID)
	}
	return d, d.addSessions(ctx, guest)
}

// addSessions registers another customer, and adds the mailbox, the password and the refresh tokens of that customer.
func (d testData) addSessions(ctx context.Context, guest *api.Client) error {
	email, password := api.NewEmail(), "fuzz-password-2"
	if _, err := guest.Register(ctx, email, password, "Charles Babbage"); err != nil {
		return err
	}
	for range 3 {
		s, err := guest.Login(ctx, email, password)
		if err != nil {
			return err
		}
		d.add("refresh-tokens.txt", s.RefreshToken)
	}
	d.add("mailboxes.txt", email, api.NewEmail())
	d.add("passwords.txt", password, d.password)
	d.add("own-password.txt", d.password)
	return nil
}

func (d testData) add(name string, entries ...string) {
	d.dictionaries[name] = append(d.dictionaries[name], entries...)
}

// addOrders places three orders: one is not shipped, one is partly shipped, and one is partly shipped and has a return.
// Each of them can still be shipped and returned further.
func (d testData) addOrders(ctx context.Context, guest, buyer, admin *api.Client, sku string) error {
	line := func(quantity int64) api.Item { return api.Item{SKU: sku, Quantity: quantity} }
	for i := range 3 {
		cart, err := guest.NewCart(ctx, line(90)) // a customer has only one cart, and gets a new one with a delay
		if err != nil {
			return err
		}
		order, err := buyer.Checkout(ctx, cart, api.Visa, api.NewKey())
		if err != nil {
			return err
		}
		token := order.AccessToken
		d.add("orders.txt", order.ID)
		d.add("order-tokens.txt", token+"x") // a wrong token; orders of customers have no token
		if token != "" {
			d.add("order-tokens.txt", token)
		}
		if i > 0 {
			if order, err = admin.Fulfil(ctx, order.ID, api.NewKey(), line(40)); err != nil {
				return err
			}
			d.add("fulfilments.txt", order.Fulfilments[0].ID)
		}
		if i > 1 {
			if order, err = buyer.RequestReturn(ctx, order.ID, token, api.NewKey(), line(1)); err != nil {
				return err
			}
			d.add("returns.txt", order.Returns[0].ID)
		}
	}
	return nil
}
