package service

import (
	"context"
	"errors"
	"net/http"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// settle does what the order owes: what a request has just promised, or what a crash has left. Every step is
// idempotent by the order's id, so two processes may be at it. It goes through all duties, whichever fail;
// the order that it gives is the present one in any case.
func (s *Service) settle(ctx context.Context, o order.Order, version uint64) (order.Order, uint64, error) {
	// Who asked may hang up; what was promised is done all the same.
	ctx = context.WithoutCancel(ctx)
	duties := o.Duties()
	var failed []error
	do := func(step func() (order.Order, uint64, error)) {
		now, v, err := step()
		if err == nil {
			o, version = now, v
		}
		failed = append(failed, err)
	}
	if duties.Decide {
		do(func() (order.Order, uint64, error) { return s.decide(ctx, o, version, again) })
	}
	if duties.Free {
		do(func() (order.Order, uint64, error) { return s.free(ctx, o) })
	}
	for _, f := range duties.Fulfilments {
		do(func() (order.Order, uint64, error) { return s.ship(ctx, o, f) })
	}
	for _, r := range duties.Returns {
		do(func() (order.Order, uint64, error) { return s.takeBack(ctx, o, r) })
	}
	for _, r := range duties.Refunds {
		do(func() (order.Order, uint64, error) { return s.giveBack(ctx, o, r) })
	}
	return o, version, errors.Join(failed...)
}

// free gives the money and the stock of what was cancelled, or of an ended rest, back.
func (s *Service) free(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	if o.Total.Amount > 0 {
		if _, err := s.void(ctx, o); err != nil {
			return o, 0, err
		}
	}
	reached(afterVoid)
	if err := s.release(ctx, o.OrderID); err != nil {
		return o, 0, err
	}
	reached(afterRelease)
	return s.Book.Settled(ctx, o.OrderID)
}

// ship captures a fulfilment's share, then takes its goods off the shelf: a parcel whose money cannot be had
// stays.
func (s *Service) ship(ctx context.Context, o order.Order, f order.Fulfilment) (order.Order, uint64, error) {
	ref := ""
	if f.Amount() > 0 {
		m, err := s.capture(ctx, o, f)
		if code := refusal(err); code != "" {
			telemetry.Log(ctx).Warn().Err(err).Str("order", o.OrderID).Str("fulfilment", f.ID).Msg("capture refused")
			return s.Book.Failed(ctx, o.OrderID, f.ID, code)
		} else if err != nil {
			return o, 0, err
		}
		ref = m.ID
	}
	reached(afterCapture)
	// The hold is kept by the order's confirmation, of which catalog may not have heard yet.
	path := reservationPath(o.OrderID)
	if err := sidecar.Call(ctx, s.Invoker, "catalog", http.MethodPost, path+"/commit", nil, nil, nil); err != nil {
		return o, 0, err
	}
	err := sidecar.Call(ctx, s.Invoker, "catalog", http.MethodPost, path+"/ship", nil, contract.ShipmentRequest{ID: f.ID, Lines: order.Lines(f.Parts)}, nil)
	if err != nil {
		return o, 0, err
	}
	reached(afterShip)
	return s.Book.Shipped(ctx, o.OrderID, f.ID, ref)
}

func (s *Service) capture(ctx context.Context, o order.Order, f order.Fulfilment) (m payment.Movement, err error) {
	err = s.insist(ctx, func(ctx context.Context) (err error) {
		m, err = s.Payments.Capture(ctx, o.OrderID+"/"+f.ID, o.Payment.Authorisation, o.Money(f.Amount()))
		return err
	})
	return m, err
}

// refusal is the code of a provider's final no; empty for success and for what may be tried again.
func refusal(err error) string {
	var declined *payment.Declined
	switch {
	case errors.As(err, &declined):
		return declined.Code
	case errors.Is(err, payment.ErrVoided):
		return "authorization_ended"
	case errors.Is(err, payment.ErrExceeds):
		return "amount_exceeds_authorization"
	case errors.Is(err, payment.ErrWholeOnly):
		return "partial_capture_unsupported"
	}
	return ""
}

// takeBack gives the money of a received return back and puts its goods on the shelf.
func (s *Service) takeBack(ctx context.Context, o order.Order, r order.Return) (order.Order, uint64, error) {
	ref := ""
	if r.Owed > 0 {
		m, err := s.refund(ctx, o, r.ID, r.Owed)
		if err != nil {
			return o, 0, err
		}
		ref = m.ID
	}
	reached(afterRefund)
	if r.Restock {
		err := sidecar.Call(ctx, s.Invoker, "catalog", http.MethodPost, reservationPath(o.OrderID)+"/return", nil,
			contract.ShipmentRequest{ID: r.ID, Lines: order.Lines(r.Parts)}, nil)
		if err != nil {
			return o, 0, err
		}
	}
	reached(afterRestock)
	return s.Book.ReturnSettled(ctx, o.OrderID, r.ID, ref)
}

func (s *Service) giveBack(ctx context.Context, o order.Order, r order.Refund) (order.Order, uint64, error) {
	m, err := s.refund(ctx, o, r.ID, r.Amount)
	if code := refusal(err); code != "" {
		return s.Book.RefundSettled(ctx, o.OrderID, r.ID, "", code)
	} else if err != nil {
		return o, 0, err
	}
	reached(afterRefund)
	return s.Book.RefundSettled(ctx, o.OrderID, r.ID, m.ID, "")
}

func (s *Service) refund(ctx context.Context, o order.Order, id string, amount int64) (m payment.Movement, err error) {
	err = s.insist(ctx, func(ctx context.Context) (err error) {
		m, err = s.Payments.Refund(ctx, o.OrderID+"/"+id, o.Payment.Authorisation, o.Money(amount))
		return err
	})
	return m, err
}

// promised words the outcome of a request whose promise was to be kept at once: nil if it was, and for what
// will be kept later (pending).
func promised(ctx context.Context, o order.Order, err error) (pending bool) {
	if err == nil {
		return false
	}
	telemetry.Log(ctx).Warn().Err(err).Str("order", o.OrderID).Msg("promise not kept yet, the order's lifecycle goes on with it")
	return true
}

var errPaymentRefused = fault.New(fault.PaymentRequired, "payment-declined", "The payment provider refuses.")
