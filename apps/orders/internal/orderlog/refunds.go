package orderlog

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
)

// Refund is a request to give money back.
type Refund struct {
	ID          string
	Fingerprint string // as in Parcel
	Amount      int64  // minor units of the order's currency, positive
	Reason      order.Sealed
}

// RequestRefund records that money is to be given back (rule 9): see RecordRefund and RecordRefundRefusal. Problems:
// amount-exceeds-captured (409), too-many-parts (409), idempotency-key-reused (422).
func (r *Repository) RequestRefund(ctx context.Context, id string, request Refund) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		if existing, found := o.Refund(request.ID); found {
			return sameRequest(existing.Fingerprint, request.Fingerprint)
		}
		if err := checkRoom("refunds", len(o.Refunds), maxRefunds, 0); err != nil {
			return err
		}
		if request.Amount > o.Refundable() {
			refundable := o.Money(o.Refundable())
			return fault.New(fault.Conflict, "amount-exceeds-captured", "Only %s can be given back.", refundable).
				WithField("amount", "more than is captured and not given back").With("refundable", refundable)
		}
		refund := order.Refund{ID: request.ID, Fingerprint: request.Fingerprint, Amount: request.Amount,
			SealedReason: request.Reason, Status: order.Pending}
		tx.Emit(order.AggregateID(id), order.EventRefundRequested, order.RefundRequested{OrderID: id, Refund: refund})
		return nil
	})
}

// RecordRefund records that a refund was paid, with the provider's id of it. Problem: not-found (404).
func (r *Repository) RecordRefund(ctx context.Context, id, refundID, movement string) (order.Order, uint64, error) {
	return r.resolveRefund(ctx, id, refundID, func(tx *transaction, o order.Order, refund order.Refund) {
		tx.EmitInternal(order.AggregateID(id), order.EventPaymentRefunded,
			order.MoneyMoved{OrderID: id, Ref: movement, For: refund.ID, Amount: o.Money(refund.Amount)})
		tx.Emit(order.AggregateID(id), order.EventRefundPaid, order.Outcome{OrderID: id, ID: refund.ID})
	})
}

// RecordRefundRefusal records that the provider refuses a refund, with its code. Problem: not-found (404).
func (r *Repository) RecordRefundRefusal(ctx context.Context, id, refundID, code string) (order.Order, uint64, error) {
	return r.resolveRefund(ctx, id, refundID, func(tx *transaction, _ order.Order, refund order.Refund) {
		tx.Emit(order.AggregateID(id), order.EventRefundFailed, order.Outcome{OrderID: id, ID: refund.ID, Reason: code})
	})
}

// resolveRefund emits the outcome of a refund once.
func (r *Repository) resolveRefund(ctx context.Context, id, refundID string,
	emit func(*transaction, order.Order, order.Refund)) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		refund, found := o.Refund(refundID)
		switch {
		case !found:
			return fault.Missing("refund")
		case refund.Status == order.Pending:
			emit(tx, o, refund)
		}
		return nil
	})
}
