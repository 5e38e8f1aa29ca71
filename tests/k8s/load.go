package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"haberdash/tests/api"
)

// customers buy, and remember what they were told.
type customers struct {
	guest *api.Client
	staff *api.Client
	skus  []string
	stock int64 // of each SKU

	// patient customers repeat what was not answered; others count it as a failure.
	patient bool

	mu       sync.Mutex
	bought   []purchase
	requests int
	failed   []string
}

// purchase is an order as its buyer knows it.
type purchase struct {
	key   string
	body  api.Placement
	sku   string
	order api.Order
	known bool // it was answered for good: confirmed, or refused for lack of goods
}

func (s *shopOn) customers(ctx context.Context, stock int64, patient bool) (*customers, error) {
	url, err := s.gatewayURL(ctx)
	if err != nil {
		return nil, err
	}
	c := &customers{guest: api.New(url), stock: stock, patient: patient}
	if c.staff, err = c.guest.AsAdmin(ctx); err != nil {
		return nil, err
	}
	file := strings.Builder{}
	file.WriteString("Handle,Title,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price\n")
	for range 5 {
		sku := "K8S-" + api.NewKey()[:10]
		c.skus = append(c.skus, sku)
		fmt.Fprintf(&file, "%s,A hat,true,Title,Default Title,%s,shopify,%d,deny,19.99\n", strings.ToLower(sku), sku, stock)
	}
	if _, err = c.staff.Import(ctx, "text/csv", []byte(file.String())); err != nil {
		return nil, err
	}
	return c, c.shown(ctx)
}

// shown waits until the goods are: replicas read what another has imported within a second, and each may answer.
func (c *customers) shown(ctx context.Context) error {
	began := time.Now()
	for inARow := 0; inARow < 30; inARow++ {
		_, err := c.guest.Product(ctx, strings.ToLower(c.skus[inARow%len(c.skus)]))
		if err != nil && time.Since(began) > time.Minute {
			return err
		}
		if err != nil {
			inARow = 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// buy has n customers buy one thing after the other until over is closed.
func (c *customers) buy(ctx context.Context, n int, over <-chan struct{}) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for open(over) && ctx.Err() == nil {
				c.one(ctx, over)
			}
		})
	}
	all.Wait()
}

func open(over <-chan struct{}) bool {
	select {
	case <-over:
		return false
	default:
		return true
	}
}

// one looks around, fills a cart and places the order.
func (c *customers) one(ctx context.Context, over <-chan struct{}) {
	p := purchase{sku: c.skus[rand.IntN(len(c.skus))], key: api.NewKey()}
	var cart api.Cart
	c.insist(ctx, func() error { _, err := c.guest.Product(ctx, strings.ToLower(p.sku)); return err })
	if !c.insist(ctx, func() (err error) { cart, err = c.guest.NewCart(ctx, api.Item{SKU: p.sku, Quantity: 1}); return err }) {
		return
	}
	p.body = api.NewPlacement(cart, api.Visa)
	c.insist(ctx, func() error {
		a, err := c.guest.Place(ctx, p.key, p.body)
		if err != nil {
			return err
		}
		switch {
		case a.Status == http.StatusCreated:
			p.known = true
			return a.Decode(&p.order)
		case a.Status == http.StatusConflict && a.Problem().Name() == "out-of-stock":
			p.known = true
			return nil
		}
		return a.Problem()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bought = append(c.bought, p)
}

// patience is how long a patient customer repeats a request: longer than anything that is killed needs to come back.
const patience = 2 * time.Minute

// insist makes a request, again and again if patient. A sold-out SKU is an answer.
func (c *customers) insist(ctx context.Context, request func() error) bool {
	for began := time.Now(); ; {
		err := request()
		c.mu.Lock()
		c.requests++
		c.mu.Unlock()
		var p *api.Problem
		if err == nil {
			return true
		}
		if errors.As(err, &p) && p.Status < 500 && p.Name() != "request-in-progress" { // of the first, whose answer was lost
			if p.Name() != "out-of-stock" { // of a cart
				c.fail(err)
			}
			return false
		}
		if !c.patient || time.Since(began) > patience || ctx.Err() != nil {
			c.fail(err)
			return false
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *customers) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, fmt.Sprintf("%s %s", time.Now().UTC().Format("15:04:05.000"), err))
}

// check holds what the customers were told against what the shop says once it is at rest: every confirmed order is
// there, once, and paid; stock is what was there less what was sold; a repeated placement gets the same order.
func (c *customers) check(ctx context.Context) error {
	sold, confirmed := map[string]int64{}, 0
	for _, p := range c.bought {
		a, err := c.guest.Place(ctx, p.key, p.body)
		if err != nil {
			return err
		}
		if a.Status == http.StatusConflict && p.order.ID == "" {
			continue // no goods
		}
		var again api.Order
		if err := a.Decode(&again); err != nil {
			return fmt.Errorf("order %s, placed again: %w", p.order.ID, err)
		}
		// Of an order whose answer was lost its buyer learns only now.
		if p.known && (again.ID != p.order.ID || a.Header.Get("Idempotent-Replayed") != "true") {
			return fmt.Errorf("order %s, placed again, is order %s", p.order.ID, again.ID)
		}
		if again.Status != "confirmed" {
			return fmt.Errorf("order %s was confirmed, and is %s", again.ID, again.Status)
		}
		confirmed++
		sold[p.sku]++
	}
	for _, sku := range c.skus {
		if sold[sku] > c.stock {
			return fmt.Errorf("of %d %s, %d are sold", c.stock, sku, sold[sku])
		}
		if err := c.settled(ctx, sku, c.stock-sold[sku]); err != nil {
			return err
		}
	}
	fmt.Printf("%d requests, %d orders confirmed, %d failures\n", c.requests, confirmed, len(c.failed))
	return nil
}

// settled waits until no hold is under way and the SKU has so many left: holds of placements that were cut off end
// after their time.
func (c *customers) settled(ctx context.Context, sku string, want int64) error {
	var left api.Stock
	for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(time.Second) {
		var err error
		if left, err = c.staff.Stock(ctx, sku); err != nil {
			return err
		}
		if left.Available == want {
			return nil
		}
	}
	return fmt.Errorf("of %s there are %d left, and should be %d", sku, left.Available, want)
}
