package service

import (
	"context"
	"sync"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

// Run wires the service to its sidecar.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	secret, err := h.Sidecar.Secret(ctx, "ID_KEY")
	if err != nil {
		return nil, err
	}
	state := h.Sidecar.State(daprd.StateStore)
	log, err := commitlog.Open(ctx, state, "orders", "orders", order.Model(), commitlog.Options{})
	if err != nil {
		return nil, err
	}
	s := New(Deps{
		Book: order.NewBook(log), Payments: payment.NewSandbox(state, time.Now, payment.Sleep),
		Invoker: h.Sidecar, Secret: []byte(secret), Now: time.Now,
	})
	s.Mount(h.API)
	work, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { log.Publish(work, h.Sidecar, contract.TopicOrders) })
	done.Go(func() { s.Recover(work) })
	return func(ctx context.Context) error {
		stop()
		done.Wait()
		return log.Close(ctx)
	}, nil
}
