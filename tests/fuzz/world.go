package main

import (
	"context"
	"fmt"
	"strings"

	"haberdash/tests/api"
)

// world is who calls, and what is there for them to find: dictionaries by the names that schemathesis.toml has.
type world struct {
	email, password string
	dictionaries    map[string][]string
}

// furnish makes an account, unless the caller is the administrator, and orders in several states.
func furnish(ctx context.Context, guest *api.Client, caller string) (world, error) {
	w := world{email: api.AdminEmail, password: api.AdminPassword, dictionaries: map[string][]string{}}
	admin, err := guest.AsAdmin(ctx)
	if err != nil {
		return w, err
	}
	buyer := guest
	if caller != "nobody" {
		w.email, w.password = api.NewEmail(), "fuzz-password-1"
		user, err := guest.Register(ctx, w.email, w.password, "Ada Byron")
		if err != nil {
			return w, err
		}
		session, err := guest.Login(ctx, w.email, w.password)
		if err != nil {
			return w, err
		}
		buyer = guest.As(session.AccessToken)
		w.add("users.txt", user.ID)
	}
	if caller == "admin" { // sees all that the customer has
		w.email, w.password = api.AdminEmail, api.AdminPassword
	}
	w.add("users.txt", "unknown")
	handle := "fuzz-" + strings.ToLower(api.NewKey()[:8])
	csv := "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\n" + handle + ",Fuzz," + strings.ToUpper(handle) + ",100000,19.99\n"
	if _, err := admin.Import(ctx, "text/csv", []byte(csv)); err != nil {
		return w, err
	}
	product, err := guest.Product(ctx, handle)
	if err != nil {
		return w, err
	}
	w.add("products.txt", product.ID, product.Handle)
	w.add("skus.txt", product.Variants[0].SKU)
	for i := range 8 {
		w.add("doomed.txt", fmt.Sprintf("doomed-%s-%d", strings.ToLower(api.NewKey()[:6]), i))
		line := fmt.Sprintf(`{"handle": %q, "title": "Doomed", "variants": [{"price": {"amount": 1, "currency": "EUR"}}]}`, w.dictionaries["doomed.txt"][i])
		if _, err := admin.Import(ctx, "application/x-ndjson", []byte(line)); err != nil {
			return w, err
		}
	}
	if err := w.buy(ctx, guest, buyer, admin, product.Variants[0].SKU); err != nil {
		return w, err
	}
	for _, c := range []*api.Client{buyer, guest, guest} {
		cart, err := c.NewCart(ctx, api.Item{SKU: product.Variants[0].SKU, Quantity: 1})
		if err != nil {
			return w, err
		}
		w.add("carts.txt", cart.ID)
	}
	return w, w.sessions(ctx, guest)
}

// sessions adds somebody whose mailbox, password and sessions may be guessed.
func (w world) sessions(ctx context.Context, guest *api.Client) error {
	email, password := api.NewEmail(), "fuzz-password-2"
	if _, err := guest.Register(ctx, email, password, "Charles Babbage"); err != nil {
		return err
	}
	for range 3 {
		s, err := guest.Login(ctx, email, password)
		if err != nil {
			return err
		}
		w.add("refresh-tokens.txt", s.RefreshToken)
	}
	w.add("mailboxes.txt", email, api.NewEmail())
	w.add("passwords.txt", password, w.password)
	w.add("own-password.txt", w.password)
	return nil
}

func (w world) add(name string, entries ...string) {
	w.dictionaries[name] = append(w.dictionaries[name], entries...)
}

// buy places three orders: one stays as it is, one is sent in part, of one some comes back. There is more to send of
// each, and to send back.
func (w world) buy(ctx context.Context, guest, buyer, admin *api.Client, sku string) error {
	line := func(quantity int64) api.Item { return api.Item{SKU: sku, Quantity: quantity} }
	for i := range 3 {
		cart, err := guest.NewCart(ctx, line(90)) // a customer has one cart only, and not at once another
		if err != nil {
			return err
		}
		order, err := buyer.Checkout(ctx, cart, api.Visa, api.NewKey())
		if err != nil {
			return err
		}
		token := order.AccessToken
		w.add("orders.txt", order.ID)
		w.add("order-tokens.txt", token+"x") // a customer's order has none
		if token != "" {
			w.add("order-tokens.txt", token)
		}
		if i > 0 {
			if order, err = admin.Fulfil(ctx, order.ID, api.NewKey(), line(40)); err != nil {
				return err
			}
			w.add("fulfilments.txt", order.Fulfilments[0].ID)
		}
		if i > 1 {
			if order, err = buyer.AskReturn(ctx, order.ID, token, api.NewKey(), line(1)); err != nil {
				return err
			}
			w.add("returns.txt", order.Returns[0].ID)
		}
	}
	return nil
}
