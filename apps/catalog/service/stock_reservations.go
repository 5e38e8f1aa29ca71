package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

// mountReservations adds the operations that orders calls, see contract.Reservation. All are idempotent.
func (s *Inventory) mountReservations(api huma.API) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: "/internal/reservations/{orderId}" + path, Summary: summary, Tags: []string{"Internal"}}
	}
	httpx.Register(api, op("reserve-stock", http.MethodPut, "", "Hold stock for an order: all lines or none"), s.reserve)
	httpx.Register(api, op("release-stock", http.MethodDelete, "", "Free what an order holds, and hold nothing for it later"), s.release)
	httpx.Register(api, op("commit-stock", http.MethodPost, "/commit", "Keep an order's hold for good"), s.commit)
	httpx.Register(api, op("ship-stock", http.MethodPost, "/ship", "Take shipped lines off the shelf"), s.ship)
	httpx.Register(api, op("return-stock", http.MethodPost, "/return", "Put returned lines back on the shelf"), s.takeBack)
}

// ReservationRef names an order's reservation.
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

// reserve answers with a released reservation where the order was decided, or refused, before.
func (s *Inventory) reserve(ctx context.Context, in *reserveInput) (*reservationOutput, error) {
	if err := s.sellable(ctx, in.Body); err != nil {
		// A repetition answers as the first time, whatever became of the product since.
		h, ok, holdErr := s.stock.Hold(ctx, in.OrderID)
		switch {
		case ok:
			return reservation(in.OrderID, h, nil)
		case holdErr != nil:
			return nil, holdErr
		}
		return nil, err
	}
	h, err := s.stock.Reserve(ctx, in.OrderID, in.Body.Lines, in.Body.ExpiresAt)
	reached(afterReserve)
	return reservation(in.OrderID, h, err)
}

// sellable refuses what the catalogue does not have, and what it does not sell as it was shown.
func (s *Inventory) sellable(ctx context.Context, r contract.ReservationRequest) error {
	gone, changed, err := s.deps.Compare(ctx, r.Shown)
	switch {
	case err != nil:
		return err
	case len(gone) > 0:
		return contract.CartChanged(gone)
	case len(changed) > 0:
		return contract.PriceChanged(changed)
	}
	for _, l := range r.Lines {
		if err := s.mustKnow(ctx, l.SKU); err != nil {
			return err
		}
	}
	return nil
}

func (s *Inventory) release(ctx context.Context, in *ReservationRef) (*reservationOutput, error) {
	h, err := s.stock.Release(ctx, in.OrderID)
	reached(afterRelease)
	return reservation(in.OrderID, h, err)
}

func (s *Inventory) commit(ctx context.Context, in *ReservationRef) (*reservationOutput, error) {
	h, err := s.stock.Commit(ctx, in.OrderID)
	reached(afterCommit)
	return reservation(in.OrderID, h, err)
}

func (s *Inventory) ship(ctx context.Context, in *shipmentInput) (*reservationOutput, error) {
	h, err := s.stock.Ship(ctx, in.OrderID, in.Body.ID, in.Body.Lines)
	reached(afterShip)
	return reservation(in.OrderID, h, err)
}

func (s *Inventory) takeBack(ctx context.Context, in *shipmentInput) (*reservationOutput, error) {
	h, err := s.stock.Return(ctx, in.OrderID, in.Body.ID, in.Body.Lines)
	reached(afterReturn)
	return reservation(in.OrderID, h, err)
}

func reservation(order string, h stock.Hold, err error) (*reservationOutput, error) {
	if err != nil {
		return nil, err
	}
	r := contract.Reservation{OrderID: order, Status: h.Status, Lines: []contract.Line{}}
	for _, sku := range h.SKUs() {
		r.Lines = append(r.Lines, contract.Line{SKU: sku, Quantity: h.Lines[sku]})
	}
	if h.Status == stock.Committed && len(h.Lines) == 0 && len(h.Done) > 0 {
		r.Status = "shipped"
	}
	return &reservationOutput{r}, nil
}
