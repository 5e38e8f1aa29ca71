package service

import (
	"context"
	"crypto/rand"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/host"
)

// Run wires the cart service.
func Run(_ context.Context, h *host.Host) error {
	s := New(Deps{State: h.State(), Invoker: h.Sidecar, Book: pricing.Demo(), NewID: rand.Text})
	h.Consume(s.consumer)
	h.Export(s.exportCarts)
	s.Mount(h.API)
	return nil
}
