package lifecycle

import (
	"context"
	"errors"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/placement"
	"haberdash/internal/failpoint"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// CompleteDuties completes all duties of the order: those that a request has just recorded, and those that a crash has
// left. Every step is idempotent by the order's id, so two processes may do it at once. It tries each duty even if
// another fails, and it continues if the client disconnects. The returned order is the present one in any case.
func (l *Lifecycle) CompleteDuties(ctx context.Context, o order.Order, version uint64) (order.Order, uint64, error) {
	ctx = context.WithoutCancel(ctx)
	duties := o.Duties()
	var failed []error
	do := func(step func() (order.Order, uint64, error)) {
		changed, v, err := step()
		if err == nil {
			o, version = changed, v
		}
		failed = append(failed, err)
	}
	if duties.Decide {
		do(func() (order.Order, uint64, error) { return l.Decider.Decide(ctx, o, placement.LaterAttempt) })
	}
	if duties.Release {
		do(func() (order.Order, uint64, error) { return l.releaseEnded(ctx, o) })
	}
	for _, f := range duties.Fulfilments {
		do(func() (order.Order, uint64, error) { return l.captureShipment(ctx, o, f) })
	}
	for _, r := range duties.Returns {
		do(func() (order.Order, uint64, error) { return l.refundReturn(ctx, o, r) })
	}
	for _, r := range duties.Refunds {
		do(func() (order.Order, uint64, error) { return l.payRefund(ctx, o, r) })
	}
	return o, version, errors.Join(failed...)
}

// CompleteNow is CompleteDuties for a request that has just recorded a duty. A failure is only logged, because
// the workflow of the order tries again.
func (l *Lifecycle) CompleteNow(ctx context.Context, o order.Order, version uint64) (order.Order, uint64) {
	o, version, err := l.CompleteDuties(ctx, o, version)
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Order, o.OrderID).
			Msg("a duty of an order could not be completed, its lifecycle will try again")
	}
	return o, version
}

// releaseEnded voids the payment and releases the stock of a cancelled order, or of the goods that will not
// be shipped any more.
func (l *Lifecycle) releaseEnded(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	if _, err := l.Decider.VoidPayment(ctx, o); err != nil {
		return o, 0, err
	}
	if err := l.Decider.ReleaseStock(ctx, o); err != nil {
		return o, 0, err
	}
	return l.Orders.RecordRelease(ctx, o.OrderID)
}

// captureShipment captures a parcel's share of the order's total, and then takes its goods out of the stock. A parcel
// whose share cannot be captured is not shipped.
func (l *Lifecycle) captureShipment(ctx context.Context, o order.Order,
	f order.Fulfilment) (order.Order, uint64, error) {
	captureID := ""
	if f.Amount() > 0 {
		m, err := l.Payments.Capture(ctx, o, f)
		if code := payments.RefusalCode(err); code != "" {
			telemetry.Log(ctx).Warn().Err(err).Str(field.Order, o.OrderID).Str(field.Part, f.ID).Msg("a capture was refused")
			return l.Orders.RecordCaptureRefusal(ctx, o.OrderID, f.ID, code)
		} else if err != nil {
			return o, 0, err
		}
		captureID = m.ID
	}
	failpoint.Reach(afterCapture)
	if err := l.Stock.Ship(ctx, o.OrderID, f); err != nil {
		return o, 0, err
	}
	failpoint.Reach(afterShip)
	return l.Orders.RecordShipment(ctx, o.OrderID, f.ID, captureID)
}

// refundReturn gives back what a received return is worth, and puts its goods into the stock if they can be sold again.
func (l *Lifecycle) refundReturn(ctx context.Context, o order.Order, r order.Return) (order.Order, uint64, error) {
	refundID := ""
	if r.Owed > 0 {
		m, err := l.Payments.Refund(ctx, o, r.ID, r.Owed)
		if err != nil {
			return o, 0, err
		}
		refundID = m.ID
	}
	failpoint.Reach(afterRefund)
	if r.Restock {
		if err := l.Stock.Restock(ctx, o.OrderID, r); err != nil {
			return o, 0, err
		}
	}
	failpoint.Reach(afterRestock)
	return l.Orders.RecordReturnRefund(ctx, o.OrderID, r.ID, refundID)
}

// payRefund gives back a refund.
func (l *Lifecycle) payRefund(ctx context.Context, o order.Order, r order.Refund) (order.Order, uint64, error) {
	m, err := l.Payments.Refund(ctx, o, r.ID, r.Amount)
	if code := payments.RefusalCode(err); code != "" {
		return l.Orders.RecordRefundRefusal(ctx, o.OrderID, r.ID, code)
	} else if err != nil {
		return o, 0, err
	}
	failpoint.Reach(afterRefund)
	return l.Orders.RecordRefund(ctx, o.OrderID, r.ID, m.ID)
}
