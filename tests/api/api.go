package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// AdminEmail and AdminPassword sign in the first administrator of a local shop.
const (
	AdminEmail    = "admin@haberdash.test"
	AdminPassword = "haberdash-admin-1"
)

// The payment tokens of the sandbox. Each has the outcome that its name says.
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
