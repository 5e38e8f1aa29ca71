package inventory

import (
	"context"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
)

// ReservationRef names the reservation of an order. Operations on it are idempotent: see contract.Reservation.
type ReservationRef struct {
	OrderID string `path:"orderId" minLength:"1" maxLength:"128"`
}

type reserveInput struct {
	ReservationRef
	Body contract.ReservationRequest
}

type shipmentInput struct {
	ReservationRef
	Body contract.ShipmentRequest
}

type reservationOutput struct{ Body contract.Reservation }

// reserve answers with a released reservation if the order was decided, or refused, before.
func (s *Service) reserve(ctx context.Context, in *reserveInput) (*reservationOutput, error) {
	if err := s.checkSellable(ctx, in.Body); err != nil {
		// A repetition gets the first answer, even if the product has changed since.
		h, found, holdErr := s.Stock.Hold(ctx, in.OrderID)
		switch {
		case found:
			return showHold(in.OrderID, h, nil)
		case holdErr != nil:
			return nil, holdErr
		}
		return nil, err
	}
	h, err := s.Stock.Reserve(ctx, in.OrderID, in.Body.Lines, in.Body.ExpiresAt)
	if fault.Is(err, "out-of-stock") {
		s.metrics.refused.Inc()
	}
	failpoint.Reach(afterReserve)
	return showHold(in.OrderID, h, err)
}

// checkSellable refuses SKUs that the catalogue does not have, and variants that it does not sell as they were shown.
func (s *Service) checkSellable(ctx context.Context, r contract.ReservationRequest) error {
	gone, changed, err := s.Catalogue.Compare(ctx, r.Shown)
	switch {
	case err != nil:
		return err
	case len(gone) > 0:
		return contract.CartChanged(gone)
	case len(changed) > 0:
		return contract.PriceChanged(changed)
	}
	for _, l := range r.Lines {
		if err := s.requireKnown(ctx, l.SKU); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) release(ctx context.Context, in *ReservationRef) (*reservationOutput, error) {
	h, err := s.Stock.Release(ctx, in.OrderID)
	failpoint.Reach(afterRelease)
	return showHold(in.OrderID, h, err)
}

func (s *Service) commit(ctx context.Context, in *ReservationRef) (*reservationOutput, error) {
	h, err := s.Stock.Commit(ctx, in.OrderID)
	failpoint.Reach(afterCommit)
	return showHold(in.OrderID, h, err)
}

func (s *Service) ship(ctx context.Context, in *shipmentInput) (*reservationOutput, error) {
	h, err := s.Stock.Ship(ctx, in.OrderID, in.Body.ID, in.Body.Lines)
	failpoint.Reach(afterShip)
	return showHold(in.OrderID, h, err)
}

func (s *Service) restock(ctx context.Context, in *shipmentInput) (*reservationOutput, error) {
	h, err := s.Stock.Return(ctx, in.OrderID, in.Body.ID, in.Body.Lines)
	failpoint.Reach(afterReturn)
	return showHold(in.OrderID, h, err)
}

func showHold(order string, h stock.Hold, err error) (*reservationOutput, error) {
	if err != nil {
		return nil, err
	}
	r := contract.Reservation{OrderID: order, Status: h.Status, Lines: []contract.Line{}}
	for _, sku := range stock.SKUs(h.Lines) {
		r.Lines = append(r.Lines, contract.Line{SKU: sku, Quantity: h.Lines[sku]})
	}
	if h.Status == stock.Committed && len(h.Lines) == 0 && len(h.Done) > 0 {
		r.Status = "shipped"
	}
	return &reservationOutput{r}, nil
}
