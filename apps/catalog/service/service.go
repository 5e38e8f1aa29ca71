// Package service is the edge of the catalog service: products, categories, search, imports and media.
package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/microcosm-cc/bluemonday"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Currency is the shop's: of imports that name none, and of price filters.
const Currency = "EUR"

// StockMove is a change of one SKU's stock by Delta.
type StockMove struct {
	SKU    string
	Delta  int64
	Reason string
}

// Stock is the inventory, seen from the catalogue.
type Stock interface {
	// Receive applies moves, all or none, once per id. A conflict (409) or invalid-quantity (422) is final;
	// any other error is an outage.
	Receive(ctx context.Context, id string, moves []StockMove) error
	// Levels reads what can be sold of each SKU.
	Levels(ctx context.Context, skus []string) (map[string]int64, error)
}

// Deps is what the service is made of.
type Deps struct {
	State     sidecar.State
	Publisher sidecar.Publisher // nil: events stay in the log
	Stock     Stock
	Now       func() time.Time
	NewID     func() string // unguessable, at least 128 bits, letters and digits
	Demo      bool          // load the demo catalogue into an empty log
}

// Service is the catalogue. Its pages are read from memory, which follows the log.
type Service struct {
	log       *commitlog.Partition[product.State]
	publisher sidecar.Publisher
	catalog   *product.Catalog
	listing   *listing.Index
	finder    *finder
	stock     *shelf
	clean     func(html string) string
	demo      bool

	settling sync.Mutex // one at a time: see settle
	mu       sync.Mutex
	notReady error
	work     sync.WaitGroup
	stop     context.CancelFunc
}

// New opens the catalogue's log and reads it. Start it then; Close it at the end.
func New(ctx context.Context, d Deps) (*Service, error) {
	finder, err := newFinder()
	if err != nil {
		return nil, err
	}
	log, err := commitlog.Open(ctx, d.State, "catalog", "catalog", product.Model(), commitlog.Options{Resident: true, Now: d.Now})
	if err != nil {
		return nil, err
	}
	s := &Service{
		log: log, publisher: d.Publisher, catalog: product.NewCatalog(log, d.NewID), listing: listing.New(), finder: finder,
		clean: bluemonday.UGCPolicy().Sanitize, demo: d.Demo, notReady: errors.New("the catalogue is being loaded"),
	}
	s.stock = newShelf(d.Stock, s.listing, d.Now)
	var failed error
	if err := log.Subscribe(ctx, func(c commitlog.Commit) { failed = errors.Join(failed, s.follow(c)) }); err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return s, failed
}

// follow takes a commit into the projections.
func (s *Service) follow(c commitlog.Commit) error {
	for _, e := range c.Events {
		change, ok, err := product.ChangeOf(e)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		s.listing.Apply(change)
		if change.Product != nil && change.Deleted {
			s.finder.hand(e.Aggregate, nil)
		} else if change.Product != nil {
			s.finder.hand(e.Aggregate, change.Product)
			s.stock.forget()
		}
	}
	return nil
}

// Start begins the work in the background: the search index, the publication of events, receipts that a
// crash left open, and the demo catalogue. Ready says when the last two are done.
func (s *Service) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.work.Go(func() { s.finder.run(ctx) })
	if s.publisher != nil {
		s.work.Go(func() { s.log.Publish(ctx, s.publisher, contract.TopicCatalog) })
	}
	s.work.Go(func() {
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
			err := s.load(ctx)
			s.mu.Lock()
			s.notReady = err
			s.mu.Unlock()
			if err == nil {
				return
			}
			telemetry.Log(ctx).Warn().Err(err).Msg("cannot load the catalogue yet")
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	})
}

// Ready fails until the catalogue is loaded.
func (s *Service) Ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notReady
}

// load finishes what a crash interrupted and loads the demo catalogue. Any number of replicas may do so at
// once: the log holds each product once.
func (s *Service) load(ctx context.Context) error {
	if s.demo && s.log.Head() == 0 {
		if err := s.loadDemo(ctx); err != nil {
			return err
		}
	}
	if _, err := s.settle(ctx); err != nil {
		return err
	}
	return s.finder.current(ctx)
}

// Close ends the work and the log.
func (s *Service) Close(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	s.work.Wait()
	return s.log.Close(ctx)
}

// HasSKU reports whether a product of any status has the SKU.
func (s *Service) HasSKU(ctx context.Context, sku string) (bool, error) {
	if _, _, ok := s.listing.Variant(sku); ok {
		return true, nil
	}
	err := s.catchUp(ctx)
	_, _, ok := s.listing.Variant(sku)
	return ok, err
}

// Mount puts the service's operations on an API.
func (s *Service) Mount(api huma.API) {
	s.mountProducts(api)
	s.mountEdits(api)
	s.mountCategories(api)
	s.mountImport(api)
	s.mountMedia(api)
	s.mountVariants(api)
}

// outage makes an error of the state store or the inventory one that the client may be told of.
func outage(err error) error {
	if f := fault.Of(err); err == nil || f.Kind != fault.Internal {
		return err
	}
	return fault.New(fault.Unavailable, "unavailable", "The shop's store does not answer just now. Repeat the request.").After(time.Second).Because(err)
}
