package load

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"haberdash/tests/api"
)

// Purchases returns the number of purchases so far.
func (c *Customers) Purchases() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.purchases)
}

// Requests returns the number of requests so far.
func (c *Customers) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// Failed returns an error with the first five failures, or nil if no request failed.
func (c *Customers) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failures) == 0 {
		return nil
	}
	first := strings.Join(c.failures[:min(5, len(c.failures))], "; ")
	return fmt.Errorf("%d of %d requests failed: %s", len(c.failures), c.requests, first)
}

// Check compares the answers of the customers with the shop after it has finished its work. Every confirmed order must
// exist, once. A repeated placement must get the same order. The stock must be reduced by exactly what was sold.
func (c *Customers) Check(ctx context.Context) error {
	sold, confirmed := map[string]int64{}, 0
	for _, p := range c.purchases {
		a, err := c.guest.Place(ctx, p.key, p.body)
		if err != nil {
			return err
		}
		if a.Status == http.StatusConflict && p.order.ID == "" {
			continue // out of stock
		}
		var again api.Order
		if err := a.Decode(&again); err != nil {
			return fmt.Errorf("repeat the placement of order %s: %w", p.order.ID, err)
		}
		// If the answer was lost, this is the first time that the buyer sees the order.
		if p.final && (again.ID != p.order.ID || a.Header.Get("Idempotent-Replayed") != "true") {
			return fmt.Errorf("the repeated placement of order %s made order %s", p.order.ID, again.ID)
		}
		if again.Status != "confirmed" {
			return fmt.Errorf("order %s was confirmed, and now is %s", again.ID, again.Status)
		}
		confirmed++
		sold[p.sku]++
	}
	for _, sku := range c.skus {
		if sold[sku] > c.stock {
			return fmt.Errorf("%d of %s are sold, but only %d were in stock", sold[sku], sku, c.stock)
		}
		if err := c.waitForStock(ctx, sku, c.stock-sold[sku]); err != nil {
			return err
		}
	}
	fmt.Printf("%d requests, %d orders confirmed, %d failures\n", c.requests, confirmed, len(c.failures))
	return nil
}

// waitForStock waits until so many of a SKU are available. The reservation of a placement that was cut off ends after
// some time.
func (c *Customers) waitForStock(ctx context.Context, sku string, want int64) error {
	var stock api.Stock
	for start := time.Now(); time.Since(start) < 3*time.Minute; time.Sleep(time.Second) {
		var err error
		if stock, err = c.staff.Stock(ctx, sku); err != nil {
			return err
		}
		if stock.Available == want {
			return nil
		}
	}
	return fmt.Errorf("%d of %s are available and should be %d", stock.Available, sku, want)
}
