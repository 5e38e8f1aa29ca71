// Package load has customers buy from the shop on a cluster, and checks afterwards that the shop has kept everything
// that they were told.
package load

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

// Customers buy, and remember the answers.
type Customers struct {
	guest *api.Client
	staff *api.Client
	skus  []string
	stock int64 // of each SKU
	retry bool  // customers repeat a request that failed; otherwise it counts as a failure

	mu        sync.Mutex
	purchases []purchase
	requests  int
	failures  []string
}

// purchase is an order as its buyer knows it.
type purchase struct {
	key   string
	body  api.Placement
	sku   string
	order api.Order
	final bool // the placement got a final answer: the order is confirmed, or the SKU is out of stock
}

// idleTimeout is how long a customer keeps an idle connection. It is shorter than LEAVE_TIME in
// deploy/base/gateway.yaml, and than the time that the gateway gives to a new connection. When these times are over,
// the gateway closes idle connections, and a request that is sent at that moment would have no answer.
const idleTimeout = 5 * time.Second

// New imports five products with so much stock each, and waits until all replicas show them. If retry is set, customers
// repeat requests that failed.
func New(ctx context.Context, gatewayURL string, stock int64, retry bool) (c *Customers, err error) {
	c = &Customers{guest: api.New(gatewayURL), stock: stock, retry: retry}
	c.guest.HTTP.Transport.(*http.Transport).IdleConnTimeout = idleTimeout
	if c.staff, err = c.guest.AsAdmin(ctx); err != nil {
		return nil, err
	}
	file := strings.Builder{}
	file.WriteString("Handle,Title,Published,Option1 Name,Option1 Value,Variant SKU,Variant Inventory Tracker," +
		"Variant Inventory Qty,Variant Inventory Policy,Variant Price\n")
	for range 5 {
		sku := "K8S-" + api.NewKey()[:10]
		c.skus = append(c.skus, sku)
		fmt.Fprintf(&file, "%s,A hat,true,Title,Default Title,%s,shopify,%d,deny,19.99\n", strings.ToLower(sku), sku, stock)
	}
	if _, err = c.staff.Import(ctx, "text/csv", []byte(file.String())); err != nil {
		return nil, err
	}
	return c, c.waitForProducts(ctx)
}

// waitForProducts waits until the products are found 30 times in a row. A replica reads within a second what another
// one has imported, and each request may go to another replica.
func (c *Customers) waitForProducts(ctx context.Context) error {
	start := time.Now()
	for found := 0; found < 30; found++ {
		_, err := c.guest.Product(ctx, strings.ToLower(c.skus[found%len(c.skus)]))
		if err != nil && time.Since(start) > time.Minute {
			return err
		}
		if err != nil {
			found = 0
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// Buy has n customers buy one thing after another until stop is closed.
func (c *Customers) Buy(ctx context.Context, n int, stop <-chan struct{}) {
	var buying sync.WaitGroup
	for range n {
		buying.Go(func() {
			for !closed(stop) && ctx.Err() == nil {
				c.buyOne(ctx)
			}
		})
	}
	buying.Wait()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// concurrentBuyers is small because the cluster may be small.
const concurrentBuyers = 4

// During runs f while customers buy.
func (c *Customers) During(ctx context.Context, f func(context.Context) error) error {
	stop := make(chan struct{})
	var buying sync.WaitGroup
	buying.Go(func() { c.Buy(ctx, concurrentBuyers, stop) })
	err := f(ctx)
	close(stop)
	buying.Wait()
	return err
}

// buyOne reads a product, fills a cart and places the order.
func (c *Customers) buyOne(ctx context.Context) {
	p := purchase{sku: c.skus[rand.IntN(len(c.skus))], key: api.NewKey()}
	c.send(ctx, func() error { _, err := c.guest.Product(ctx, strings.ToLower(p.sku)); return err })
	var cart api.Cart
	ok := c.send(ctx, func() (err error) {
		cart, err = c.guest.NewCart(ctx, api.Item{SKU: p.sku, Quantity: 1})
		return err
	})
	if !ok {
		return
	}
	p.body = api.NewPlacement(cart, api.Visa)
	c.send(ctx, func() error {
		a, err := c.guest.Place(ctx, p.key, p.body)
		if err != nil {
			return err
		}
		switch {
		case a.Status == http.StatusCreated:
			p.final = true
			return a.Decode(&p.order)
		case a.Status == http.StatusConflict && a.Problem().Name() == "out-of-stock":
			p.final = true
			return nil
		}
		return a.Problem()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purchases = append(c.purchases, p)
}

// retryTime is how long a customer repeats a request: longer than any killed pod needs to come back.
const retryTime = 2 * time.Minute

// send makes a request, and repeats it if the customers do that. It reports whether the request succeeded. A SKU that
// is out of stock is not a failure.
func (c *Customers) send(ctx context.Context, request func() error) bool {
	for start := time.Now(); ; {
		err := request()
		c.mu.Lock()
		c.requests++
		c.mu.Unlock()
		if err == nil {
			return true
		}
		var p *api.Problem
		// request-in-progress: the answer to the first attempt was lost, and the shop still works on it.
		if errors.As(err, &p) && p.Status < 500 && p.Name() != "request-in-progress" {
			if p.Name() != "out-of-stock" { // of an item in a cart
				c.addFailure(err)
			}
			return false
		}
		if !c.retry || time.Since(start) > retryTime || ctx.Err() != nil {
			c.addFailure(err)
			return false
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (c *Customers) addFailure(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures = append(c.failures, fmt.Sprintf("%s %s", time.Now().UTC().Format("15:04:05.000"), err))
}
