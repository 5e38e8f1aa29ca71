package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// DefaultLocation is where stock stands in a shop that names no locations.
const DefaultLocation = "main"

// warmStock is how many aggregates of a location stay in memory: the levels of a large catalogue and the
// orders under way. The filter for what is in stock reads all levels.
const warmStock = 250_000

// InventoryDeps is what the inventory is made of.
type InventoryDeps struct {
	State     sidecar.State
	Publisher sidecar.Publisher // nil: events stay in the log
	Invoker   sidecar.Invoker   // reaches orders
	// Locations in the order in which they serve, plain words; DefaultLocation if empty. A location that
	// is added later comes last. One that has reservations must stay.
	Locations []string
	// Rebuild: see commitlog.Options.
	Rebuild bool
	// KnownSKU reports whether the catalogue has the SKU; an error is an outage.
	KnownSKU func(ctx context.Context, sku string) (bool, error)
	// Compare finds what is not sold as buyers were shown it, see Service.Compare.
	Compare func(context.Context, []contract.Shown) (gone []string, changed []contract.PriceChangedLine, err error)
	Now     func() time.Time
	// SweepEvery is how often holds past their time are asked after; 5 s if zero.
	SweepEvery time.Duration
}

// Inventory is the edge of the stock: its routes, the events it follows and its work in the background.
type Inventory struct {
	deps     InventoryDeps
	logs     []*commitlog.Partition[stock.State]
	stock    *stock.Inventory
	consumer *consumer.Consumer
	work     sync.WaitGroup
	stop     context.CancelFunc
}

var _ Stock = (*Inventory)(nil)

// OpenInventory opens the log of every location. Start it then; Close it at the end.
func OpenInventory(ctx context.Context, d InventoryDeps) (*Inventory, error) {
	if len(d.Locations) == 0 {
		d.Locations = []string{DefaultLocation}
	}
	if d.SweepEvery == 0 {
		d.SweepEvery = 5 * time.Second
	}
	s := &Inventory{deps: d}
	var ledgers []*stock.Ledger
	for _, location := range d.Locations {
		log, err := commitlog.Open(ctx, d.State, "catalog", "stock-"+location, stock.Model(), commitlog.Options{Now: d.Now, Warm: warmStock, Rebuild: d.Rebuild})
		if err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
		s.logs, ledgers = append(s.logs, log), append(ledgers, stock.NewLedger(log, location))
	}
	s.stock = stock.NewInventory(ledgers[0], ledgers[1:]...)
	s.consumer = s.newConsumer()
	return s, nil
}

func (s *Inventory) feeds() (logs []logapi.Log) {
	for _, log := range s.logs {
		logs = append(logs, log)
	}
	return logs
}

func (s *Inventory) auditors() (logs []logapi.Auditor) {
	for _, log := range s.logs {
		logs = append(logs, log)
	}
	return logs
}

// exports are what the inventory owns: first how far it has come in the orders log, then the logs that say what came
// of it. What follows is done again, and finds that it was done.
func (s *Inventory) exports() []moving.Source {
	sources := []moving.Source{s.consumer.Export}
	for _, log := range s.logs {
		sources = append(sources, logapi.Exported(log, contract.TopicStock))
	}
	return sources
}

// Start begins the work in the background: publishing the logs' events, following the orders log, and the sweep.
func (s *Inventory) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	for _, log := range s.logs {
		if s.deps.Publisher != nil {
			s.work.Go(func() { log.Publish(ctx, s.deps.Publisher, contract.TopicStock) })
		}
	}
	s.work.Go(func() { s.consumer.Run(ctx) })
	s.work.Go(func() {
		tick := time.NewTicker(s.deps.SweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.Sweep(telemetry.WithTrace(ctx, telemetry.NewTrace("", "")))
			}
		}
	})
}

// Close ends the work and the logs.
func (s *Inventory) Close(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	s.work.Wait()
	var failed error
	for _, log := range s.logs {
		failed = errors.Join(failed, log.Close(ctx))
	}
	return failed
}

// Mount puts the inventory's operations on an API.
func (s *Inventory) Mount(api huma.API) {
	s.mountLevels(api)
	s.mountReservations(api)
	logapi.MountConsumer(api, "catalog", s.consumer)
}

// Receive implements Stock at the default location.
func (s *Inventory) Receive(ctx context.Context, id string, moves []StockMove) error {
	at, _ := s.stock.Location("")
	all := make([]stock.Move, len(moves))
	for i, m := range moves {
		all[i] = stock.Move(m)
	}
	return at.Receive(ctx, id, all)
}

// Levels implements Stock over all locations.
func (s *Inventory) Levels(ctx context.Context, skus []string) (map[string]int64, error) {
	return s.stock.Levels(ctx, skus)
}
