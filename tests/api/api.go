package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The first administrator of a local shop: its sign-in.
const (
	AdminEmail    = "admin@haberdash.test"
	AdminPassword = "haberdash-admin-1"
)

// Payment tokens of the sandbox.
const (
	Visa              = "tok_visa"
	Declined          = "tok_declined"
	InsufficientFunds = "tok_insufficient_funds"
	Slow              = "tok_slow"
	Timeout           = "tok_timeout"
	Error             = "tok_error"
)

// Home is an address to which every shop ships.
var Home = Address{Name: "Ada Byron", Line1: "Unter den Linden 1", City: "Berlin", PostalCode: "10117", Country: "DE"}

// NewKey returns an idempotency key that has not been used.
func NewKey() string { return rand.Text() }

// NewEmail returns an e-mail address that has not been used.
func NewEmail() string { return strings.ToLower(rand.Text()) + "@example.test" }

// Register creates an account.
func (c *Client) Register(ctx context.Context, email, password, name string) (User, error) {
	return call[User](ctx, c, Request{Method: http.MethodPost, Path: "/api/v1/auth/register", Body: map[string]string{
		"email": email, "password": password, "name": name,
	}})
}

// Login signs in.
func (c *Client) Login(ctx context.Context, email, password string) (Session, error) {
	return call[Session](ctx, c, Request{Method: http.MethodPost, Path: "/api/v1/auth/login", Body: map[string]string{
		"email": email, "password": password,
	}})
}

// AsAdmin returns a client that is signed in as the first administrator.
func (c *Client) AsAdmin(ctx context.Context) (*Client, error) {
	s, err := c.Login(ctx, AdminEmail, AdminPassword)
	return c.As(s.AccessToken), err
}

// AsNewCustomer registers a customer and returns a client that is signed in as that customer.
func (c *Client) AsNewCustomer(ctx context.Context) (*Client, User, error) {
	email, password := NewEmail(), rand.Text()
	if _, err := c.Register(ctx, email, password, "Ada Byron"); err != nil {
		return nil, User{}, err
	}
	s, err := c.Login(ctx, email, password)
	return c.As(s.AccessToken), s.User, err
}

// Products searches the catalogue.
func (c *Client) Products(ctx context.Context, query url.Values) (Found, error) {
	return get[Found](ctx, c, "/api/v1/products?"+query.Encode(), nil)
}

// Product reads a product by id or handle.
func (c *Client) Product(ctx context.Context, idOrHandle string) (Product, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/api/v1/products/" + url.PathEscape(idOrHandle)})
	if err != nil {
		return Product{}, err
	}
	var p Product
	err = a.Decode(&p)
	p.ETag = a.Header.Get("ETag")
	return p, err
}

// Import sends a catalogue file of a media type, for staff.
func (c *Client) Import(ctx context.Context, mediaType string, file []byte) (Imported, error) {
	return call[Imported](ctx, c, Request{
		Method: http.MethodPost, Path: "/api/v1/products/import", Body: file,
		Header: map[string]string{"Content-Type": mediaType},
	})
}

// Stock reads the stock of a SKU, for staff.
func (c *Client) Stock(ctx context.Context, sku string) (Stock, error) {
	return get[Stock](ctx, c, "/api/v1/stock/"+url.PathEscape(sku), nil)
}

// NewCart creates a cart with items.
func (c *Client) NewCart(ctx context.Context, items ...Item) (Cart, error) {
	cart, err := c.cart(ctx, Request{Method: http.MethodPost, Path: "/api/v1/carts", Body: struct{}{}})
	for _, i := range items {
		if err == nil {
			cart, err = c.SetItem(ctx, cart, i.SKU, i.Quantity)
		}
	}
	return cart, err
}

// Cart reads a cart. The id "mine" stands for the cart of the customer.
func (c *Client) Cart(ctx context.Context, id string) (Cart, error) {
	return c.cart(ctx, Request{Method: http.MethodGet, Path: "/api/v1/carts/" + id})
}

// SetItem sets the quantity of a SKU. It fails if the cart has changed since it was read.
func (c *Client) SetItem(ctx context.Context, cart Cart, sku string, quantity int64) (Cart, error) {
	return c.cart(ctx, Request{
		Method: http.MethodPut, Path: "/api/v1/carts/" + cart.ID + "/items/" + url.PathEscape(sku),
		Header: map[string]string{"If-Match": cart.ETag}, Body: map[string]int64{"quantity": quantity},
	})
}

// SetShipping sets the address and the shipping option. It fails if the cart has changed since it was read.
func (c *Client) SetShipping(ctx context.Context, cart Cart, to Address, option string) (Cart, error) {
	return c.cart(ctx, Request{
		Method: http.MethodPut, Path: "/api/v1/carts/" + cart.ID + "/shipping",
		Header: map[string]string{"If-Match": cart.ETag}, Body: map[string]any{"address": to, "option": option},
	})
}

func (c *Client) cart(ctx context.Context, r Request) (Cart, error) {
	a, err := c.Do(ctx, r)
	if err != nil {
		return Cart{}, err
	}
	var cart Cart
	if err := a.Decode(&cart); err != nil {
		return cart, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	cart.ETag = a.Header.Get("ETag")
	return cart, nil
}

// ShippingOptions lists the shipping options of a cart.
func (c *Client) ShippingOptions(ctx context.Context, cartID string) (List[ShippingOption], error) {
	return get[List[ShippingOption]](ctx, c, "/api/v1/carts/"+cartID+"/shipping-options", nil)
}

// NewPlacement returns the order of a cart that is shipped to Home and paid with the token of a card.
func NewPlacement(cart Cart, token string) Placement {
	return Placement{
		CartID: cart.ID, Email: NewEmail(), ShippingAddress: Home,
		Payment: Payment{Method: "card", Token: token},
	}
}

// Place places an order. The body is a Placement, or JSON that is sent unchanged.
func (c *Client) Place(ctx context.Context, key string, body any) (*Answer, error) {
	return c.Do(ctx, Request{
		Method: http.MethodPost, Path: "/api/v1/orders", Header: map[string]string{"Idempotency-Key": key}, Body: body,
	})
}

// Checkout places an order of a cart. It returns the order of an answer 201 or 202, or the *Problem.
func (c *Client) Checkout(ctx context.Context, cart Cart, token, key string) (Order, error) {
	a, err := c.Place(ctx, key, NewPlacement(cart, token))
	if err != nil {
		return Order{}, err
	}
	var o Order
	err = a.Decode(&o)
	return o, err
}

// Order reads an order. orderToken is the token of a guest's order; empty for an account.
func (c *Client) Order(ctx context.Context, id, orderToken string) (Order, error) {
	return get[Order](ctx, c, "/api/v1/orders/"+id, orderHeader(orderToken))
}

// Orders lists orders.
func (c *Client) Orders(ctx context.Context, query url.Values) (List[Order], error) {
	return get[List[Order]](ctx, c, "/api/v1/orders?"+query.Encode(), nil)
}

// Events reads an order's history.
func (c *Client) Events(ctx context.Context, id, orderToken string) ([]Event, error) {
	return get[[]Event](ctx, c, "/api/v1/orders/"+id+"/events", orderHeader(orderToken))
}

func orderHeader(token string) map[string]string {
	if token == "" {
		return nil
	}
	return map[string]string{"X-Order-Token": token}
}
