package importer

import (
	"context"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// refusedMove is stock that an import has counted and the stock has not received.
type refusedMove struct {
	sku    string
	reason string
}

// ReceiveStock has the stock receive the quantities that imports have counted, and closes their receipts. Another
// replica may receive a receipt at the same moment: receiving is idempotent. Within this process one call runs at a
// time, so that two attempts at a receipt cannot end differently. A receipt that fails is logged and stays open. It
// stops the others only if the store is unavailable.
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
		if err != nil && (f.Kind == fault.Unavailable || ctx.Err() != nil) {
			return refused, err
		}
		if err != nil {
			for _, m := range moves {
				refused = append(refused, refusedMove{m.SKU, f.Detail})
			}
		}
		if err != nil && !final {
			telemetry.Log(ctx).Error().Err(err).Str(field.Receipt, r.ID).
				Msg("the stock cannot receive what an import has counted, will try again")
			continue
		}
		if err := s.Catalog.CloseReceipt(ctx, r.ID, final); err != nil {
			return refused, err
		}
	}
	return refused, nil
}
