package service

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

// Config is what the service reads from its environment, beside what every service does.
type Config struct {
	Demo     string `env:"DEMO_CATALOGUE" envDefault:"off"` // on: fill an empty catalogue
	Location string `env:"STOCK_LOCATION" envDefault:"main"`
}

// Run wires the service to its sidecar.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	c, err := env.ParseAs[Config]()
	if err != nil {
		return nil, err
	}
	state := h.Sidecar.State(daprd.StateStore)
	log, err := commitlog.Open(ctx, state, "catalog", "stock."+c.Location, stock.Model(), commitlog.Options{})
	if err != nil {
		return nil, err
	}
	inventory := stock.NewInventory(stock.NewLedger(log, c.Location))
	s, err := New(ctx, Deps{
		State: state, Publisher: h.Sidecar, Stock: shelves{inventory}, Now: time.Now,
		NewID: func() string { return strings.ToLower(rand.Text()) }, Demo: c.Demo == "on",
	})
	if err != nil {
		return nil, err
	}
	s.Mount(h.API)
	h.Server.Ready("catalogue", s.Ready)
	s.Start(ctx)

	work, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { log.Publish(work, h.Sidecar, contract.TopicStock) })
	return func(ctx context.Context) error {
		stop()
		done.Wait()
		if err := s.Close(ctx); err != nil {
			return err
		}
		return log.Close(ctx)
	}, nil
}

// shelves is the inventory as the catalogue sees it: what imports count is received at the default
// location.
type shelves struct{ *stock.Inventory }

// Receive implements Stock.
func (s shelves) Receive(ctx context.Context, id string, moves []StockMove) error {
	main, _ := s.Location("")
	all := make([]stock.Move, len(moves))
	for i, m := range moves {
		all[i] = stock.Move(m)
	}
	return main.Receive(ctx, id, all)
}
