package service

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
)

// Ledger is a payment provider that keeps its books in the shop's own store: without them an order that has moved
// could not be captured or refunded. Stripe's move with nobody.
type Ledger interface {
	// Export hands out the records of the orders' keys; an order without one has none.
	Export(ctx context.Context, keys []string, put func(sidecar.Item) error) error
}

// MountExport offers what this service owns: the log of the book, then the provider's records. In this order, so that
// money that moves meanwhile is found by the step that moves it again; an order that says that money moved, of which
// nobody knows, would be wrong for ever.
//
// Refusals that are remembered for a day are not among it, their keys are the clients'; nor is the workflows' state:
// lifecycles begin anew from the log, which is why the follower's cursor stays behind too (see follow.go).
func (s *Service) MountExport(api huma.API, log logapi.Exporter) {
	moving.MountExport(api, "orders", logapi.Exported(log, contract.TopicOrders), s.exportLedger)
}

func (s *Service) exportLedger(ctx context.Context, put func(sidecar.Item) error) error {
	ledger, own := s.Payments.(Ledger)
	if !own {
		return nil
	}
	return s.Book.Placed(ctx, func(ids []string) error { return ledger.Export(ctx, ids, put) })
}
