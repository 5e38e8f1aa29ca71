package service

import (
	"context"
	"errors"
	"sync"
	"time"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/demo"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/importer"
	"haberdash/apps/catalog/service/search"
	"haberdash/internal/commitlog"
	"haberdash/internal/telemetry"
)

// startup does what must be done before the service is ready: it imports the demo products into an empty catalogue, has
// the stock receive what interrupted imports have counted, and waits for the search index. Several replicas may do so
// at once, because imports and receipts are idempotent.
type startup struct {
	log      *commitlog.Partition[product.State]
	search   *search.Index
	catalog  *catalog.Catalog
	importer *importer.Service
	sanitise func(html string) string
	demo     bool

	mu       sync.Mutex
	notReady error
}

var errLoading = errors.New("the catalogue is being loaded")

// The first and the longest time between two attempts.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// run tries until it succeeds or ctx ends.
func (s *startup) run(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := s.load(ctx)
		s.mu.Lock()
		s.notReady = err
		s.mu.Unlock()
		if err == nil {
			return nil
		}
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot load the catalogue yet")
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// ready is the readiness check: it fails until the catalogue is loaded.
func (s *startup) ready(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notReady
}

func (s *startup) load(ctx context.Context) error {
	if s.demo && s.log.Head() == 0 {
		if err := s.importDemo(ctx); err != nil {
			return err
		}
	}
	if _, err := s.importer.ReceiveStock(ctx); err != nil {
		return err
	}
	return s.search.CatchUp(ctx)
}

// importDemo imports the demo products in one commit.
func (s *startup) importDemo(ctx context.Context) error {
	items := demo.Items()
	for i := range items {
		items[i].Whole.Description = s.sanitise(items[i].Whole.Description)
	}
	_, err := s.catalog.Import(ctx, items)
	return err
}
