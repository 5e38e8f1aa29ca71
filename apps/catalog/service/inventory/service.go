// Package inventory is the edge of the stock: levels, adjustments and history for staff, reservations for the orders
// service, the consumer of its decisions, and the check of expired holds.
package inventory

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/catalog/internal/allocation"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

// Catalogue is the port to the catalogue. *listing.Listing implements it.
type Catalogue interface {
	// CatchUp waits until the catalogue has everything that any process had committed before the call.
	CatchUp(ctx context.Context) error
	// HasSKU tells whether a product of any status has the SKU.
	HasSKU(ctx context.Context, sku string) (bool, error)
	// Compare finds the variants that are no longer sold, or not as a buyer was shown them.
	Compare(ctx context.Context, shown []contract.Shown) (gone []string, changed []contract.PriceChangedLine, err error)
}

// Deps are the dependencies and settings of the service.
type Deps struct {
	State     sidecar.State   // of the consumer
	Invoker   sidecar.Invoker // calls orders, and reads the feeds of orders and users
	Stock     *allocation.Locations
	Catalogue Catalogue
	Now       func() time.Time
	// CheckEvery is the time between two checks of expired holds; 5 s if zero.
	CheckEvery time.Duration
	Metrics    prometheus.Registerer // none if nil
}

// Service serves the stock.
type Service struct {
	Deps
	Consumer *consumer.Consumer // of the decisions of orders
	metrics  *metrics
}

// New makes the service.
func New(d Deps) *Service {
	if d.CheckEvery == 0 {
		d.CheckEvery = 5 * time.Second
	}
	s := &Service{Deps: d, metrics: newMetrics(d.Metrics)}
	s.Consumer = s.newConsumer()
	return s
}

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	staff := func(id, method, path, summary string, errors ...int) huma.Operation {
		op := resource.Staff(id, method, "/api/v1/stock/{sku}"+path, summary, 0, errors...)
		op.Tags = []string{"Stock"}
		return op
	}
	httpx.Register(api, staff("get-stock", http.MethodGet, "", "Read a SKU's stock"), s.getStock)
	adjust := staff("adjust-stock", http.MethodPost, "/adjustments", "Change a SKU's stock", http.StatusConflict)
	httpx.Register(api, adjust, s.adjustStock)
	// RawBody is for Resolve. It is not a second media type.
	delete(api.OpenAPI().Paths[adjust.Path].Post.RequestBody.Content, "application/octet-stream")
	history := staff("get-stock-history", http.MethodGet, "/history", "Read what happened to a SKU's stock, newest first")
	httpx.Register(api, history, s.stockHistory)

	internal := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/internal/reservations/{orderId}" + path,
			Summary: summary, Tags: []string{"Internal"}, Errors: []int{http.StatusConflict}}
	}
	httpx.Register(api, internal("reserve-stock", http.MethodPut, "",
		"Hold stock for an order: all lines or none"), s.reserve)
	httpx.Register(api, internal("release-stock", http.MethodDelete, "",
		"Free what an order holds, and hold nothing for it later"), s.release)
	httpx.Register(api, internal("commit-stock", http.MethodPost, "/commit", "Keep an order's hold for good"), s.commit)
	httpx.Register(api, internal("ship-stock", http.MethodPost, "/ship", "Take shipped lines off the shelf"), s.ship)
	httpx.Register(api, internal("return-stock", http.MethodPost, "/return",
		"Put returned lines back on the shelf"), s.restock)
}

// requireKnown refuses a SKU that the catalogue does not have.
func (s *Service) requireKnown(ctx context.Context, sku string) error {
	known, err := s.Catalogue.HasSKU(ctx, sku)
	if err != nil {
		return err
	}
	if !known {
		return fault.New(fault.NotFound, "unknown-sku", "The catalogue has no such SKU.").With("sku", sku)
	}
	return nil
}
