package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// atOnce is how many customers buy at the same time: few, for the cluster may be small.
const atOnce = 4

// kill ends pods at random, without grace, while customers buy who repeat what fails.
func (s *shopOn) kill(ctx context.Context) error {
	c, err := s.customers(ctx, 40, true) // less than is asked for
	if err != nil {
		return err
	}
	var victims []string
	err = c.during(ctx, func(ctx context.Context) error {
		for range 8 {
			time.Sleep(4 * time.Second) // between two blows, customers buy
			pod, err := s.victim(ctx)
			if err != nil {
				return err
			}
			victims = append(victims, pod)
			if err := s.in(ctx, "delete", "pod", pod, "--grace-period=0", "--force"); err != nil {
				return err
			}
		}
		return s.whole(ctx)
	})
	fmt.Printf("killed: %s\n", strings.Join(victims, " "))
	if err == nil && len(c.failed) > 0 {
		err = fmt.Errorf("%d customers gave up: %s", len(c.failed), strings.Join(c.failed[:min(5, len(c.failed))], "; "))
	}
	return errors.Join(err, c.check(ctx))
}

func (s *shopOn) victim(ctx context.Context) (string, error) {
	out, err := s.output(ctx, nil, "--namespace", namespace, "get", "pods", "-o", "name", "--selector=app.kubernetes.io/part-of=haberdash",
		"--field-selector=status.phase=Running")
	pods := strings.Fields(string(out))
	if err == nil && len(pods) == 0 {
		err = errors.New("no pod runs")
	}
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(pods[rand.IntN(len(pods))], "pod/"), nil
}

// roll rolls another version out, and then back, while customers buy who repeat nothing. Not one request may fail.
func (s *shopOn) roll(ctx context.Context) error {
	c, err := s.customers(ctx, 100_000, false)
	if err != nil {
		return err
	}
	err = c.during(ctx, func(ctx context.Context) error {
		time.Sleep(3 * time.Second) // customers who have connections
		for _, app := range apps {
			if err := s.in(ctx, "set", "image", "deployment/"+app, "app=localhost/haberdash/"+app+":"+second); err != nil {
				return err
			}
		}
		if err := s.whole(ctx); err != nil {
			return err
		}
		fmt.Printf("rolled out, %d requests so far\n", c.soFar())
		for _, app := range apps {
			if err := s.in(ctx, "rollout", "undo", "deployment/"+app); err != nil {
				return err
			}
		}
		return s.whole(ctx)
	})
	if err == nil && len(c.failed) > 0 {
		err = fmt.Errorf("%d of %d requests failed: %s", len(c.failed), c.requests, strings.Join(c.failed[:min(5, len(c.failed))], "; "))
	}
	return errors.Join(err, c.check(ctx))
}

// during does something while customers buy.
func (c *customers) during(ctx context.Context, do func(context.Context) error) error {
	over := make(chan struct{})
	var buying sync.WaitGroup
	buying.Go(func() { c.buy(ctx, atOnce, over) })
	err := do(ctx)
	close(over)
	buying.Wait()
	return err
}

func (c *customers) soFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// whole waits until every deployment has all its replicas, of its latest version.
func (s *shopOn) whole(ctx context.Context) error {
	for _, app := range apps {
		if err := s.in(ctx, "rollout", "status", "deployment/"+app, "--timeout=300s"); err != nil {
			return err
		}
	}
	return nil
}
