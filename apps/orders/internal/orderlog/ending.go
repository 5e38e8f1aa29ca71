package orderlog

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
)

// Cancel ends a confirmed order (rule 4), for a reason in the words of the person who cancels, if there is one. Its
// money and stock are freed afterwards: see RecordRelease. Problem: invalid-transition (409).
func (r *Repository) Cancel(ctx context.Context, id string, reason order.Sealed) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		switch {
		case o.Status == order.Cancelled:
			return nil
		case o.Status != order.Confirmed, o.HasFulfilment(order.Fulfilment.Live):
			return invalidTransition(o)
		}
		tx.Emit(order.AggregateID(id), contract.OrderCancelled, order.Outcome{OrderID: id, SealedReason: reason})
		return nil
	})
}

// EndUnshipped ends what is not shipped of an order whose authorisation has ended (rule 11): it cancels the order, or
// its rest. An order of which nothing is left to ship stays as it is. Problem: invalid-transition (409), also while a
// parcel is about to be captured.
func (r *Repository) EndUnshipped(ctx context.Context, id, reason string) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		sent := o.InFulfilments(order.Fulfilment.Sent).Quantity()
		switch {
		case o.Status == order.Cancelled, o.UnshippedEnded, sent == o.Quantity():
			return nil
		case o.Status != order.Confirmed && o.Status != order.PartiallyFulfilled, o.HasFulfilment(order.Fulfilment.Pending):
			return invalidTransition(o)
		case sent == 0:
			tx.Emit(order.AggregateID(id), contract.OrderCancelled, order.Outcome{OrderID: id, Reason: reason})
		default:
			tx.Emit(order.AggregateID(id), order.EventUnshippedEnded, order.Outcome{OrderID: id, Reason: reason})
		}
		return nil
	})
}

// RecordRelease records that the money and the stock of what will not be shipped are free (rule 5). Problem:
// invalid-transition (409).
func (r *Repository) RecordRelease(ctx context.Context, id string) (order.Order, uint64, error) {
	return r.change(ctx, id, nil, func(tx *transaction, o order.Order) error {
		switch {
		case o.Status != order.Cancelled && !o.UnshippedEnded:
			return invalidTransition(o)
		case o.Released:
			return nil
		}
		tx.EmitInternal(order.AggregateID(id), order.EventPaymentVoided,
			order.MoneyMoved{OrderID: id, Ref: o.Payment.Authorisation, Amount: o.Payment.Authorized})
		return nil
	})
}
