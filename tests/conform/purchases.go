package main

import (
	"context"
	"fmt"
	"net/http"

	"haberdash/tests/api"
)

// sku is what customers buy. There is enough of it for all checks.
const sku = "BASQUE-BERET-RED"

// stock adds to the stock of what customers buy.
func (s *subject) stock(ctx context.Context) error {
	a, err := s.admin.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/stock/" + sku + "/adjustments",
		Header: map[string]string{"Idempotency-Key": api.NewKey()}, Body: `{"delta":10000,"reason":"conform"}`,
	})
	if err != nil {
		return err
	}
	return a.Decode(nil)
}

// purchase is a customer with an order that is confirmed.
type purchase struct {
	customer *api.Client
	user     api.User
	password string
	order    api.Order
}

// buy causes events in the logs orders, users and stock: a customer registers and buys something.
func (s *subject) buy(ctx context.Context) (p purchase, err error) {
	p.password = api.NewKey()
	email := api.NewEmail()
	if _, err := s.guest.Register(ctx, email, p.password, "Ada Byron"); err != nil {
		return p, err
	}
	session, err := s.guest.Login(ctx, email, p.password)
	if err != nil {
		return p, err
	}
	p.customer, p.user = s.guest.As(session.AccessToken), session.User
	cart, err := p.customer.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	if err != nil {
		return p, err
	}
	if p.order, err = p.customer.Checkout(ctx, cart, api.Visa, api.NewKey()); err != nil {
		return p, err
	}
	return p, s.eventually(ctx, func() error {
		if p.order, err = p.customer.Order(ctx, p.order.ID, ""); err != nil {
			return err
		}
		if p.order.Status != "confirmed" {
			return fmt.Errorf("the order is %s", p.order.Status)
		}
		return nil
	})
}
