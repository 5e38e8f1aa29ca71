package service

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/service/vault"
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
// nobody knows, would be wrong for ever. Then how far the deletions of users have been heard of, and last the keys: what
// is destroyed meanwhile is destroyed there too.
//
// Refusals that are remembered for a day are not among it, their keys are the clients'; nor is the workflows' state:
// lifecycles begin anew from the log, which is why the follower's cursor stays behind too (see follow.go).
func (s *Service) MountExport(api huma.API, log logapi.Exporter) {
	moving.MountExport(api, "orders", logapi.Exported(log, contract.TopicOrders), s.exportLedger, s.consumer.Export, s.exportKeys)
}

func (s *Service) exportLedger(ctx context.Context, put func(sidecar.Item) error) error {
	ledger, own := s.Payments.(Ledger)
	if !own {
		return nil
	}
	return s.Book.Placed(ctx, func(ids []string) error { return ledger.Export(ctx, ids, put) })
}

// exportKeys hands out each document of keys once: it may change meanwhile.
func (s *Service) exportKeys(ctx context.Context, put func(sidecar.Item) error) error {
	seen := map[string]bool{}
	once := func(item sidecar.Item) error {
		if seen[item.Key] {
			return nil
		}
		seen[item.Key] = true
		return put(item)
	}
	return s.Book.Placed(ctx, func(ids []string) error {
		orders, err := s.Book.Many(ctx, ids)
		if err != nil {
			return err
		}
		var names []string
		for _, o := range orders {
			names = append(names, keyNames(o)...)
			if o.Customer != "" { // a destroyed one too, whatever it has sealed
				names = append(names, vault.ContactKey(o.Customer))
			}
		}
		return s.Vault.Export(ctx, names, once)
	})
}
