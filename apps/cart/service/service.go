// Package service is the edge of the cart service: its routes, its events and its storage.
package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

// Deps is what the service is made of.
type Deps struct {
	State   sidecar.State
	Invoker sidecar.Invoker // reaches catalog, and the feeds of orders and users
	Book    pricing.Book
	NewID   func() string // unguessable, at least 128 bits, letters and digits: a guest's cart id is its secret
}

// Service keeps carts and quotes them.
type Service struct {
	catalog  sidecar.Invoker
	carts    store
	book     pricing.Book
	newID    func() string
	consumer *consumer.Consumer
}

// New makes the service.
func New(d Deps) *Service {
	s := &Service{catalog: d.Invoker, carts: store{d.State}, book: d.Book, newID: d.NewID}
	s.consumer = consumer.New(consumer.Options{
		State: d.State, Fetch: consumer.FetchFrom(d.Invoker),
		Handlers: map[string]consumer.Handler{contract.OrderConfirmed: s.ordered, contract.UserDeleted: s.deleted},
		Batches:  map[string]consumer.BatchHandler{contract.OrderConfirmed: s.orderedTogether},
	})
	return s
}

// Mount puts the service's operations on an API.
func (s *Service) Mount(api huma.API) {
	add(api, operation("create-cart", http.MethodPost, "/api/v1/carts", "Create a cart", http.StatusCreated, 409), s.create)
	add(api, signedIn(operation("get-my-cart", http.MethodGet, "/api/v1/carts/mine", "The customer's own cart, made if need be", 0)), s.mine)
	add(api, operation("get-cart", http.MethodGet, "/api/v1/carts/{id}", "A cart at today's prices", 0), s.get)
	add(api, operation("set-cart-item", http.MethodPut, "/api/v1/carts/{id}/items/{sku}", "Set how many of an article are in the cart", 0), s.setItem)
	add(api, operation("remove-cart-item", http.MethodDelete, "/api/v1/carts/{id}/items/{sku}", "Take an article out of the cart", 0), s.removeItem)
	add(api, operation("add-cart-coupon", http.MethodPost, "/api/v1/carts/{id}/coupons", "Use a coupon", 0), s.addCoupon)
	add(api, operation("remove-cart-coupon", http.MethodDelete, "/api/v1/carts/{id}/coupons/{code}", "Stop using a coupon", 0), s.removeCoupon)
	add(api, operation("set-cart-shipping", http.MethodPut, "/api/v1/carts/{id}/shipping", "Say where the cart goes, and how", 0), s.setShipping)
	add(api, operation("list-shipping-options", http.MethodGet, "/api/v1/carts/{id}/shipping-options", "Ways to ship the cart to its address", 0), s.shippingOptions)
	add(api, signedIn(operation("claim-cart", http.MethodPost, "/api/v1/carts/{id}/claim", "Merge a guest's cart into the customer's", 0, 409)), s.claim)

	quote := operation("quote", http.MethodPost, "/internal/quotes", "What an order of a cart would cost now", 0)
	quote.Tags = []string{"Internal"}
	add(api, quote, s.quote)
}

// operation names an operation that guests may use and customers too.
func operation(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"Cart"}, DefaultStatus: status,
		Security: httpx.Optional, Errors: errors}
}

func signedIn(op huma.Operation) huma.Operation {
	op.Security = httpx.Bearer
	return op
}

func add[I, O any](api huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	httpx.Register(api, op, handler)
}
