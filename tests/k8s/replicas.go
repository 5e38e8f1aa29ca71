package main

import (
	"context"
	"fmt"
	"time"

	"haberdash/tests/k8s/load"
)

// manyItems is a stock that customers cannot buy out.
const manyItems = 100_000

// customers returns customers of the shop. They repeat requests that failed if retry is set.
func (t test) customers(ctx context.Context, stock int64, retry bool) (*load.Customers, error) {
	url, err := t.GatewayURL(ctx)
	if err != nil {
		return nil, err
	}
	return load.New(ctx, url, stock, retry)
}

// throughput prints the number of confirmed orders a second with one, two and three replicas of orders and of catalog.
// The buyers do not pause. docs/scaling.md has the results.
func (t test) throughput(ctx context.Context) error {
	const buyers, duration = 16, 20 * time.Second
	for n := 1; n <= 3; n++ {
		if err := t.Scale(ctx, map[string]int{"catalog": n, "orders": n}); err != nil {
			return err
		}
		c, err := t.customers(ctx, manyItems, true)
		if err != nil {
			return err
		}
		stop := make(chan struct{})
		time.AfterFunc(duration, func() { close(stop) })
		c.Buy(ctx, buyers, stop)
		fmt.Printf("%d replicas of catalog and orders, %d buyers: %.1f orders a second\n",
			n, buyers, float64(c.Purchases())/duration.Seconds())
		if err := c.Failed(); err != nil {
			return err
		}
	}
	return nil
}

// scaleUp gives the services that keep logs three replicas each, and those that customers call before them two.
func (t test) scaleUp(ctx context.Context) error {
	replicas := map[string]int{"catalog": 3, "orders": 3, "gateway": 2, "cart": 2, "users": 2}
	if err := t.Scale(ctx, replicas); err != nil {
		return err
	}
	return t.Connect(ctx)
}
