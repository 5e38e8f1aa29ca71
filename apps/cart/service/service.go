// Package service is the edge of the cart service: the public routes, and the wiring of storage, quotes and events.
package service

import (
	"context"
	"crypto/rand"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service/events"
	"haberdash/apps/cart/service/quotes"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/host"
	"haberdash/internal/sidecar"
)

// Run wires the cart service.
func Run(_ context.Context, h *host.Host) error {
	s := New(Deps{State: h.State(), Invoker: h.Sidecar, NewID: rand.Text, Rules: pricing.DemoRules()})
	h.Consume(s.events.Consumer)
	h.Export(s.events.Export)
	s.Mount(h.API)
	return nil
}

// Deps are the dependencies and settings of the service.
type Deps struct {
	State   sidecar.State
	Invoker sidecar.Invoker // calls catalog, and reads the feeds of orders and users
	NewID   func() string   // unguessable, letters and digits, at least 128 bits: a guest's cart id is its secret
	Rules   pricing.Rules
}

// Service serves carts.
type Service struct {
	carts  storage.Carts
	quotes quotes.Quotes
	events *events.Events
	newID  func() string
}

// New makes the service.
func New(d Deps) *Service {
	carts := storage.New(d.State)
	return &Service{
		carts:  carts,
		quotes: quotes.Quotes{Carts: carts, Catalog: d.Invoker, Rules: d.Rules},
		events: events.New(d.State, d.Invoker, carts),
		newID:  d.NewID,
	}
}
