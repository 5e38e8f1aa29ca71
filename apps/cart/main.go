// Command cart keeps the carts of guests and customers and quotes what they cost.
package main

import (
	"context"
	"crypto/rand"
	"sync"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

func main() {
	host.Main("cart", func(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
		s := service.New(service.Deps{
			State: h.Sidecar.State(daprd.StateStore), Invoker: h.Sidecar, Book: pricing.Demo(), NewID: rand.Text,
		})
		s.Mount(h.API)
		s.Measure(h.Registry)
		s.Listen(h.Events)
		work, stop := context.WithCancel(ctx)
		var done sync.WaitGroup
		done.Go(func() { s.Run(work) })
		return func(context.Context) error {
			stop()
			done.Wait()
			return nil
		}, nil
	})
}
