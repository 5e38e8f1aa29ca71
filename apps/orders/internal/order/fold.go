package order

import (
	"fmt"
	"slices"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Model folds the events of an orders log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(_ string, s State, e commitlog.Event) (State, error) {
	switch e.Type {
	case EventListed:
		return s, nil
	case EventCartTaken, EventCartFreed:
		use, err := decode[CartUse](e)
		return State{Cart: &use}, err
	}
	o := Order{}
	if s.Order != nil {
		o = *s.Order
	}
	if err := applyToOrder(&o, e); err != nil {
		return s, err
	}
	o.ChangedAt = e.At
	o.Status = o.derivedStatus()
	return State{Order: &o}, nil
}

// applyToOrder is the only function that changes an order.
func applyToOrder(o *Order, e commitlog.Event) (err error) {
	switch e.Type {
	case contract.OrderPlaced:
		if o.OrderFact, err = decode[contract.OrderFact](e); err == nil {
			o.Unsealed, err = decode[Unsealed](e)
		}
		o.Status, o.PlacedAt = Placing, e.At
		o.Payment = Payment{Authorized: o.Money(0), Captured: o.Money(0), Refunded: o.Money(0)}
	case EventPaymentRequested:
		o.Request, err = decode[Request](e)
	case contract.OrderConfirmed:
		o.Status, o.DecidedBy = Confirmed, e.Seq
	case EventRejectionBegun:
		var r Rejection
		r, err = decode[Rejection](e)
		o.Rejection = &r
	case contract.OrderRejected:
		var r Rejection
		r, err = decode[Rejection](e)
		o.Status, o.Rejection, o.DecidedBy = Rejected, &r, e.Seq
		o.Payment.Declined = r.Reason == PaymentDeclined
	case contract.OrderCancelled:
		o.Status = Cancelled
	case EventUnshippedEnded:
		o.UnshippedEnded = true
	case EventPaymentAuthorized, EventPaymentCaptured, EventPaymentRefunded, EventPaymentVoided:
		return applyMoney(o, e)
	case EventFulfilmentRequested, contract.FulfilmentShipped, EventFulfilmentFailed, EventFulfilmentDelivered:
		return applyToFulfilments(o, e)
	case EventReturnRequested, EventReturnReceived, EventReturnRefunded:
		return applyToReturns(o, e)
	case EventRefundRequested, EventRefundPaid, EventRefundFailed:
		return applyToRefunds(o, e)
	default:
		return fmt.Errorf("unknown event %s", e.Type)
	}
	return err
}

func applyMoney(o *Order, e commitlog.Event) error {
	m, err := decode[MoneyMoved](e)
	switch e.Type {
	case EventPaymentAuthorized:
		o.Payment.Authorisation, o.Payment.Authorized = m.Ref, m.Amount
	case EventPaymentCaptured:
		o.Payment.Authorized.Amount -= m.Amount.Amount
		o.Payment.Captured.Amount += m.Amount.Amount
	case EventPaymentRefunded:
		o.Payment.Refunded.Amount += m.Amount.Amount
	case EventPaymentVoided:
		o.Payment.Authorized, o.Payment.Voided, o.Released = o.Money(0), m.Amount.Amount > 0, true
	}
	return err
}

func applyToFulfilments(o *Order, e commitlog.Event) error {
	if e.Type == EventFulfilmentRequested {
		d, err := decode[FulfilmentRequested](e)
		o.Fulfilments = append(slices.Clip(o.Fulfilments), d.Fulfilment)
		return err
	}
	d, err := decode[Outcome](e)
	o.Fulfilments = slices.Clone(o.Fulfilments)
	for i := range o.Fulfilments {
		f := &o.Fulfilments[i]
		if f.ID != d.ID {
			continue
		}
		switch e.Type {
		case contract.FulfilmentShipped:
			f.Status, f.ResolvedBy = Shipped, e.Seq
		case EventFulfilmentFailed:
			f.Status, f.Failure, f.ResolvedBy = Failed, d.Reason, e.Seq
		case EventFulfilmentDelivered:
			f.Status = Arrived
		}
	}
	return err
}

func applyToReturns(o *Order, e commitlog.Event) error {
	if e.Type == EventReturnRequested {
		d, err := decode[ReturnRequested](e)
		d.Return.RequestedBy = e.Seq
		o.Returns = append(slices.Clip(o.Returns), d.Return)
		return err
	}
	d, err := decode[ReturnReceived](e) // of EventReturnRefunded, whose data has another type, only the id is used
	o.Returns = slices.Clone(o.Returns)
	for i := range o.Returns {
		r := &o.Returns[i]
		switch {
		case r.ID != d.ID:
		case e.Type == EventReturnReceived:
			r.Status, r.Restock, r.Owed = Received, d.Restock, d.Owed
		case e.Type == EventReturnRefunded:
			r.Status = Refunded
		}
	}
	return err
}

func applyToRefunds(o *Order, e commitlog.Event) error {
	if e.Type == EventRefundRequested {
		d, err := decode[RefundRequested](e)
		o.Refunds = append(slices.Clip(o.Refunds), d.Refund)
		return err
	}
	d, err := decode[Outcome](e)
	o.Refunds = slices.Clone(o.Refunds)
	for i := range o.Refunds {
		r := &o.Refunds[i]
		switch {
		case r.ID != d.ID:
		case e.Type == EventRefundPaid:
			r.Status, r.ResolvedBy = Refunded, e.Seq
		case e.Type == EventRefundFailed:
			r.Status, r.ResolvedBy = Failed, e.Seq
		}
	}
	return err
}

// derivedStatus is the status that follows from what was shipped, delivered and returned.
func (o Order) derivedStatus() Status {
	switch o.Status {
	case Placing, Rejected, Cancelled:
		return o.Status
	}
	sent := o.InFulfilments(Fulfilment.Sent).Quantity()
	arrived := o.InFulfilments(func(f Fulfilment) bool { return f.Status == Arrived }).Quantity()
	all := o.Quantity()
	switch {
	case sent == 0:
		return Confirmed
	case o.ReceivedQuantity() == all:
		return Returned
	case sent < all:
		return PartiallyFulfilled
	case arrived < all:
		return Fulfilled
	}
	return Delivered
}

func decode[T any](e commitlog.Event) (v T, err error) {
	err = e.Decode(&v)
	return v, err
}
