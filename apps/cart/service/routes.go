package service

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/httpx"
)

// Mount adds the service's operations to an API.
func (s *Service) Mount(api huma.API) {
	create := operation("create-cart", http.MethodPost, "", "Create a cart")
	create.DefaultStatus, create.Errors = http.StatusCreated, []int{409}
	httpx.Register(api, create, s.create)
	httpx.Register(api, signedIn(operation("get-my-cart", http.MethodGet, "/mine",
		"The customer's own cart; created if there is none")), s.getMine)
	httpx.Register(api, operation("get-cart", http.MethodGet, "/{id}", "A cart at today's prices"), s.get)
	httpx.Register(api, operation("set-cart-item", http.MethodPut, "/{id}/items/{sku}",
		"Set how many of an article are in the cart"), s.setItem)
	httpx.Register(api, operation("remove-cart-item", http.MethodDelete, "/{id}/items/{sku}",
		"Take an article out of the cart"), s.removeItem)
	httpx.Register(api, operation("add-cart-coupon", http.MethodPost, "/{id}/coupons", "Add a coupon"), s.addCoupon)
	httpx.Register(api, operation("remove-cart-coupon", http.MethodDelete, "/{id}/coupons/{code}",
		"Remove a coupon"), s.removeCoupon)
	httpx.Register(api, operation("set-cart-shipping", http.MethodPut, "/{id}/shipping",
		"Set the shipping address and the shipping option"), s.setShipping)
	httpx.Register(api, operation("list-shipping-options", http.MethodGet, "/{id}/shipping-options",
		"Ways to ship the cart to its address"), s.listShippingOptions)
	claim := signedIn(operation("claim-cart", http.MethodPost, "/{id}/claim", "Merge a guest's cart into the customer's"))
	claim.Errors = []int{409}
	httpx.Register(api, claim, s.claim)
	s.quotes.Mount(api)
}

// operation describes an operation for guests and customers.
func operation(id, method, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/carts" + path, Summary: summary,
		Tags: []string{"Cart"}, Security: httpx.Optional}
}

// signedIn makes an operation one for customers only.
func signedIn(op huma.Operation) huma.Operation {
	op.Security = httpx.Bearer
	return op
}
