package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

// Config is what the service reads from its environment.
type Config struct {
	Times
}

// Run wires the service to its sidecar.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	config, err := env.ParseAs[Config]()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	secret, err := h.Sidecar.Secret(ctx, "ID_KEY")
	if err != nil {
		return nil, err
	}
	state := h.Sidecar.State(daprd.StateStore)
	log, err := commitlog.Open(ctx, state, "orders", "orders", order.Model(), commitlog.Options{})
	if err != nil {
		return nil, err
	}
	workflows := h.Sidecar.Workflows(daprd.WorkflowOptions{})
	s := New(Deps{
		Book: order.NewBook(log), Payments: payment.NewSandbox(state, time.Now, payment.Sleep), State: state,
		Invoker: h.Sidecar, Workflows: workflows, Secret: []byte(secret), Now: time.Now, Times: config.Times,
	})
	s.Host(workflows)
	s.Mount(h.API)
	work, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { log.Publish(work, h.Sidecar, contract.TopicOrders) })
	done.Go(func() {
		if err := workflows.Run(work); err != nil {
			h.Fail(fmt.Errorf("workflows: %w", err))
		}
	})
	done.Go(func() {
		if err := s.Follow(work); err != nil {
			h.Fail(fmt.Errorf("lifecycles: %w", err))
		}
	})
	return func(ctx context.Context) error {
		stop()
		done.Wait()
		return log.Close(ctx)
	}, nil
}
