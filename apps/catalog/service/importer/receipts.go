package importer

import (
	"context"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/internal/fault"
)

// refusedMove is stock that an import has counted and the stock will never receive.
type refusedMove struct {
	sku    string
	reason string
}

// ReceiveStock has the stock receive the quantities that imports have counted, and closes their receipts. Another
// replica may receive a receipt at the same moment: receiving is idempotent. Within this process one call runs at a
// time, so that two attempts at a receipt cannot end differently.
func (s *Service) ReceiveStock(ctx context.Context) (refused []refusedMove, err error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	receipts, err := s.Catalog.Receipts(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range receipts {
		moves := make([]ledger.Move, len(r.Moves))
		for i, m := range r.Moves {
			moves[i] = ledger.Move{SKU: m.SKU, Delta: m.Delta, Reason: "import"}
		}
		err := s.Availability.Receive(ctx, r.ID, moves)
		f := fault.Of(err)
		final := err != nil && (f.Kind == fault.Conflict || f.Kind == fault.Invalid)
		if err != nil && !final {
			return refused, err
		}
		if final {
			for _, m := range moves {
				refused = append(refused, refusedMove{m.SKU, f.Detail})
			}
		}
		if err := s.Catalog.CloseReceipt(ctx, r.ID, final); err != nil {
			return refused, err
		}
	}
	return refused, nil
}
