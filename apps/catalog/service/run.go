package service

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar/daprd"
)

// Config is what the service reads from its environment, beside what every service does.
type Config struct {
	Demo      string   `env:"DEMO_CATALOGUE" envDefault:"off"` // on: fill an empty catalogue
	Locations []string `env:"STOCK_LOCATIONS"`                 // see InventoryDeps
	Rebuild   string   `env:"REBUILD" envDefault:"off"`        // on: write all documents anew from the logs first
}

// Run wires the service to its sidecar.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	c, err := env.ParseAs[Config]()
	if err != nil {
		return nil, err
	}
	var s *Service
	state := h.Sidecar.State(daprd.StateStore)
	inventory, err := OpenInventory(ctx, InventoryDeps{
		State: state, Publisher: h.Sidecar, Invoker: h.Sidecar, Locations: c.Locations, Rebuild: c.Rebuild == "on", Now: time.Now,
		KnownSKU: func(ctx context.Context, sku string) (bool, error) { return s.HasSKU(ctx, sku) },
		Compare: func(ctx context.Context, shown []contract.Shown) ([]string, []contract.PriceChangedLine, error) {
			return s.Compare(ctx, shown)
		},
	})
	if err != nil {
		return nil, err
	}
	s, err = New(ctx, Deps{
		State: state, Publisher: h.Sidecar, Stock: inventory, Now: time.Now,
		NewID: func() string { return strings.ToLower(rand.Text()) }, Demo: c.Demo == "on",
	})
	if err != nil {
		return nil, errors.Join(err, inventory.Close(ctx))
	}
	s.Mount(h.API)
	inventory.Mount(h.API)
	logapi.MountFeed(h.API, append(inventory.feeds(), s.log)...)
	logapi.MountAudit(h.API, append(inventory.auditors(), s.log)...)
	moving.MountExport(h.API, h.App, append(inventory.exports(), logapi.Exported(s.log, contract.TopicCatalog))...)
	inventory.Measure(h.Registry)
	inventory.Subscribe(h.Events)
	h.Server.Ready("catalogue", s.Ready)
	h.Server.Ready("log", logapi.Ready(append(inventory.feeds(), s.log)...))
	inventory.Start(ctx)
	s.Start(ctx)
	return func(ctx context.Context) error { return errors.Join(s.Close(ctx), inventory.Close(ctx)) }, nil
}
