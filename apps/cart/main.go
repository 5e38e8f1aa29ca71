// Command cart keeps the carts of guests and customers and quotes what they cost.
package main

import (
	"context"
	"crypto/rand"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

func main() {
	host.Main("cart", func(_ context.Context, h *host.Host) (func(context.Context) error, error) {
		s := service.New(service.Deps{
			State: h.Sidecar.State(daprd.StateStore), Catalog: h.Sidecar, Book: pricing.Demo(), NewID: rand.Text,
		})
		s.Mount(h.API)
		s.Listen(h.Events)
		return nil, nil
	})
}
