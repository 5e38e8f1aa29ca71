// Package buyers plays the customers and the staff of a shop. They send requests as robust clients do: a request
// without a final answer is sent again unchanged, with the same idempotency key. All final answers are recorded.
package buyers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/shop"
)

// Buyers are the customers and the staff of one shop. Its methods are safe for concurrent use.
type Buyers struct {
	Shop   *shop.Shop
	Record *record.Record
	Staff  *Client // signed in as the administrator

	guest *api.Client

	mu        sync.Mutex
	customers map[string]*Client // by name
}

// New returns the customers and the staff of a shop, which record its answers.
func New(s *shop.Shop, r *record.Record) *Buyers {
	b := &Buyers{Shop: s, Record: r, guest: api.New(s.GatewayURL()), customers: map[string]*Client{}}
	b.guest.HTTP.Timeout = 10 * time.Second
	b.guest.HTTP.Transport.(*http.Transport).MaxIdleConnsPerHost = 256
	b.Staff = &Client{Name: "staff", buyers: b, email: api.AdminEmail, password: api.AdminPassword}
	return b
}

// Guest returns a client without an account.
func (b *Buyers) Guest(name string) *Client { return &Client{Name: name, buyers: b} }

// NewCustomer registers an account.
func (b *Buyers) NewCustomer(ctx context.Context, name string) (*Client, error) {
	c := &Client{Name: name, buyers: b, email: name + "@example.test", password: "a password of " + name}
	return c, c.register(ctx)
}

// Customers returns the customers who have bought.
func (b *Buyers) Customers() []*Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.customers))
}

// CustomerOrGuest returns the client of a customer who has bought, and a guest if name is empty.
func (b *Buyers) CustomerOrGuest(name string) *Client {
	if name == "" {
		return b.Guest("guest")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.customers[name]
}

// Buy makes all purchases of a buyer. It returns an error if a request gets no final answer in time.
func (b *Buyers) Buy(ctx context.Context, buyer plan.Buyer) error {
	c := b.Guest(buyer.Name)
	if buyer.Customer {
		var err error
		if c, err = b.NewCustomer(ctx, buyer.Name); err != nil {
			return err
		}
		b.mu.Lock()
		b.customers[c.Name] = c
		b.mu.Unlock()
	}
	for _, p := range buyer.Purchases {
		if err := c.buy(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// Retry repeats an operation until it returns nil. It gives up when ctx ends, or when the operation and the last
// process that died are both longer ago than shop.RecoveryTime. name names the operation in the error and in the log.
func (b *Buyers) Retry(ctx context.Context, name string, operation func(context.Context) error) error {
	start := time.Now()
	for backoff := 20 * time.Millisecond; ; backoff = min(2*backoff, 500*time.Millisecond) {
		err := operation(ctx)
		if err == nil {
			b.Record.AddWait(name, time.Since(start))
			return nil
		}
		if !shop.Sleep(ctx, backoff) {
			return fmt.Errorf("%s: %w", name, errors.Join(ctx.Err(), err))
		}
		if time.Since(start) > shop.RecoveryTime && time.Since(b.Shop.LastDown()) > shop.RecoveryTime {
			return fmt.Errorf("%s: not done within %s: %w", name, shop.RecoveryTime, err)
		}
	}
}
