package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/apps/catalog/service/search"
	"haberdash/internal/commitlog"
	"haberdash/internal/host"
	"haberdash/internal/roster"
)

// Config has the settings of the service.
type Config struct {
	Demo host.Switch `env:"DEMO_CATALOGUE" envDefault:"off"` // on: an empty catalogue gets the demo products
	// Locations of the stock, in the order in which they serve. A location that is added later must come last, and one
	// that has reservations must stay.
	Locations []string `env:"STOCK_LOCATIONS" envDefault:"main"`
}

// Check refuses locations without a name, and a name that is used twice.
func (c Config) Check() error {
	for i, location := range c.Locations {
		if location == "" || slices.Contains(c.Locations[:i], location) {
			return fmt.Errorf("STOCK_LOCATIONS=%s: expected different names", strings.Join(c.Locations, ","))
		}
	}
	return nil
}

// Run wires the catalog service. In an export the logs of the stock come before the catalogue's.
func Run(ctx context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	locations, err := openStock(ctx, h, config.Locations)
	if err != nil {
		return err
	}
	log, err := host.OpenLog(ctx, h, roster.CatalogLog, product.Model(),
		commitlog.Options{Resident: true, Committed: logProducts})
	if err != nil {
		return err
	}
	index, err := search.New(h.Registry)
	if err != nil {
		return err
	}
	list, err := listing.Follow(ctx, log, index.Add)
	if err != nil {
		return err
	}
	s := New(Deps{
		State: h.State(), Invoker: h.Sidecar, Log: log, Listing: list, Search: index, Stock: locations, Now: time.Now,
		NewID: func() string { return strings.ToLower(rand.Text()) }, Demo: bool(config.Demo),
		Metrics: h.Registry,
	})
	if err := s.inventory.FollowReservations(ctx); err != nil {
		return err
	}
	h.Consume(s.inventory.Consumer)
	h.Go("search index", index.Run)
	h.Go("startup", s.startup.run)
	h.Go("expired holds", s.inventory.Run)
	h.Server.Ready("catalogue", s.startup.ready)
	s.Mount(h.API)
	return nil
}

// warmStock is how many aggregates of a location stay in memory: the levels of a large catalogue, and the orders that
// are not completed. A list that is filtered by stock reads all levels.
const warmStock = 250_000

// openStock opens the log of each location.
func openStock(ctx context.Context, h *host.Host, names []string) (*allocation.Locations, error) {
	var ledgers []*ledger.Ledger
	for _, name := range names {
		member := roster.StockLogs.Member(name)
		log, err := host.OpenLog(ctx, h, member, stock.Model(),
			commitlog.Options{Warm: warmStock, Committed: host.LogDecisions(member, stockDecisions)})
		if err != nil {
			return nil, err
		}
		ledgers = append(ledgers, ledger.New(log, name))
	}
	return allocation.New(ledgers[0], ledgers[1:]...), nil
}
