// Package service is the edge of the catalog service. It wires the parts, each in a package of its own:
//
//	products    products: list, edits, variants for other services
//	search      the full-text index of the products
//	categories  the tree of categories
//	importer    imports from files, and the stock that they count
//	inventory   the stock: levels, adjustments, reservations, decisions of orders
//	resource    what the HTTP resources have in common
//
// Run makes them in one direction: first the stock and the catalogue's log, then the search index and the listing,
// which follow the log, then the parts. products and importer use the stock of the domain, and inventory asks the
// listing, so that no part needs one that is made after it.
package service

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/microcosm-cc/bluemonday"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/categories"
	"haberdash/apps/catalog/service/importer"
	"haberdash/apps/catalog/service/inventory"
	"haberdash/apps/catalog/service/products"
	"haberdash/apps/catalog/service/search"
	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// Deps are the dependencies and settings of the service.
type Deps struct {
	State   sidecar.State   // of the consumer
	Invoker sidecar.Invoker // calls orders, and reads the feeds of orders and users
	Log     *commitlog.Partition[product.State]
	Listing *listing.Listing // follows Log
	Search  *search.Index    // follows Log
	Stock   *allocation.Locations
	Now     func() time.Time
	NewID   func() string         // unguessable, letters and digits, at least 128 bits
	Metrics prometheus.Registerer // none if nil
	Demo    bool                  // an empty catalogue gets the demo products
}

// Service serves the catalogue and the stock.
type Service struct {
	products   *products.Service
	categories *categories.Service
	importer   *importer.Service
	inventory  *inventory.Service
	startup    *startup
}

// New makes the service.
func New(d Deps) *Service {
	commands := catalog.New(d.Log, d.NewID)
	sanitise := bluemonday.UGCPolicy().Sanitize //nolint:misspell // a name of the library
	availability := products.NewAvailability(d.Stock, d.Listing, d.Now)
	imports := importer.New(importer.Deps{
		Catalog: commands, Listing: d.Listing, Availability: availability, Sanitise: sanitise,
		Metrics: d.Metrics,
	})
	return &Service{
		products: products.New(products.Deps{
			Catalog: commands, Listing: d.Listing, Search: d.Search, Availability: availability, Sanitise: sanitise,
		}),
		categories: categories.New(categories.Deps{Catalog: commands, Listing: d.Listing}),
		importer:   imports,
		inventory: inventory.New(inventory.Deps{
			State: d.State, Invoker: d.Invoker, Stock: d.Stock, Catalogue: d.Listing, Now: d.Now, Metrics: d.Metrics,
		}),
		startup: &startup{
			log: d.Log, search: d.Search, catalog: commands, importer: imports, sanitise: sanitise, demo: d.Demo,
			notReady: errLoading,
		},
	}
}

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	s.products.Mount(api)
	s.categories.Mount(api)
	s.importer.Mount(api)
	s.inventory.Mount(api)
	mountPictures(api)
}
