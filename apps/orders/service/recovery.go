package service

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/telemetry"
)

// recoverOnce takes up each order that has been open for longer than Deadline: an undecided one is
// driven on or compensated, a cancelled one's authorisation is voided.
func (s *Service) recoverOnce(ctx context.Context) {
	ids, err := s.Book.Open(ctx, s.Now().Add(-s.Deadline))
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot list open orders")
		return
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		if err := s.takeUp(ctx, id); err != nil {
			telemetry.Log(ctx).Warn().Err(err).Str("order", id).Msg("open order, will try again")
		}
	}
}

func (s *Service) takeUp(ctx context.Context, id string) error {
	if _, busy := s.running.LoadOrStore(id, struct{}{}); busy {
		return nil
	}
	defer s.running.Delete(id)
	o, version, err := s.Book.Get(ctx, id)
	if err != nil {
		return err
	}
	switch o.Status {
	case order.Placing:
		_, _, err = s.decide(ctx, o, version, again)
	case order.Cancelled:
		_, _, err = s.settleCancelled(ctx, o)
	}
	return err
}

// settleCancelled voids the authorisation of a cancelled order and records it. Its stock is freed by
// catalog, from the event; asking here too makes it quick.
func (s *Service) settleCancelled(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	if o.Total.Amount > 0 {
		if _, err := s.Payments.Void(ctx, o.OrderID, o.Total, o.Payment.Authorisation); err != nil {
			return o, 0, err
		}
	}
	if err := s.release(ctx, o.OrderID); err != nil {
		return o, 0, err
	}
	return s.Book.Voided(ctx, o.OrderID)
}
