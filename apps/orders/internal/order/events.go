package order

import (
	"fmt"
	"slices"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/money"
)

// Event types beside those of the contract. Notes are not published: they carry what is not for others (the
// payment token), what others learn from another event (money), or are an index of this log.
const (
	paymentRequested = "payment.requested" // note: Request
	givenUp          = "order.given-up"    // note: Rejection
	listed           = "listed"            // note on a list: Entry
	cartTaken        = "cart.taken"        // note on a cart: Taking
	cartFreed        = "cart.freed"        // note on a cart: Taking

	paymentAuthorized = "payment.authorized" // note: moneyData
	paymentCaptured   = "payment.captured"   // note: moneyData
	paymentRefunded   = "payment.refunded"   // note: moneyData
	paymentVoided     = "payment.voided"     // note: moneyData

	fulfilmentRequested = "fulfilment.requested" // fulfilmentData
	fulfilmentFailed    = "fulfilment.failed"    // ended
	fulfilmentDelivered = "fulfilment.delivered" // ended

	returnRequested = "return.requested" // returnData
	returnReceived  = "return.received"  // receiptData
	returnSettled   = "return.settled"   // ended

	refundRequested = "refund.requested" // refundData
	refundSettled   = "refund.settled"   // ended
	refundFailed    = "refund.failed"    // ended

	restEnded = "order.rest-ended" // ended
)

// moneyData is what moved: Ref is the provider's name for it, For the fulfilment, return or refund.
type moneyData struct {
	OrderID string      `json:"orderId"`
	Ref     string      `json:"ref,omitempty"`
	For     string      `json:"for,omitempty"`
	Amount  money.Money `json:"amount"`
}

type fulfilmentData struct {
	OrderID    string     `json:"orderId"`
	Fulfilment Fulfilment `json:"fulfilment"`
}

type returnData struct {
	OrderID string `json:"orderId"`
	Return  Return `json:"return"`
}

type receiptData struct {
	OrderID string `json:"orderId"`
	ID      string `json:"id"`
	Restock bool   `json:"restock"`
	Owed    int64  `json:"owed"`
}

type refundData struct {
	OrderID string `json:"orderId"`
	Refund  Refund `json:"refund"`
}

// ended says that something came to an end, and why if not as planned: for a reason of ours, or one that somebody wrote.
type ended struct {
	OrderID string `json:"orderId"`
	ID      string `json:"id,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Why     Sealed `json:"why,omitzero"`
}

// Model folds an orders log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(id string, s State, e commitlog.Event) (State, error) {
	switch e.Type {
	case listed:
		return s, nil
	case cartTaken, cartFreed:
		t, err := decode[Taking](e)
		return State{Taken: &t}, err
	}
	o := Order{}
	if s.Order != nil {
		o = *s.Order
	}
	if err := applyOrder(&o, e); err != nil {
		return s, err
	}
	o.ChangedAt = e.At
	o.Status = o.status()
	return State{Order: &o}, nil
}

// applyOrder is the only place where an order changes.
func applyOrder(o *Order, e commitlog.Event) (err error) {
	switch e.Type {
	case contract.OrderPlaced:
		if o.OrderFact, err = decode[contract.OrderFact](e); err == nil {
			o.Former, err = decode[Former](e)
		}
		o.Status, o.PlacedAt = Placing, e.At
		o.Payment = Payment{Authorized: o.Money(0), Captured: o.Money(0), Refunded: o.Money(0)}
	case paymentRequested:
		o.Request, err = decode[Request](e)
	case contract.OrderConfirmed:
		o.Status, o.DecidedBy = Confirmed, e.Seq
	case givenUp:
		var r Rejection
		r, err = decode[Rejection](e)
		o.Rejection = &r
	case contract.OrderRejected:
		var r Rejection
		r, err = decode[Rejection](e)
		o.Status, o.Rejection, o.DecidedBy = Rejected, &r, e.Seq
		o.Payment.Declined = r.Reason == PaymentDeclines
	case contract.OrderCancelled:
		o.Status = Cancelled
	case restEnded:
		o.RestEnded = true
	case paymentAuthorized, paymentCaptured, paymentRefunded, paymentVoided:
		return applyMoney(o, e)
	case fulfilmentRequested, contract.FulfilmentShipped, fulfilmentFailed, fulfilmentDelivered:
		return applyFulfilment(o, e)
	case returnRequested, returnReceived, returnSettled, refundRequested, refundSettled, refundFailed:
		return applyGivingBack(o, e)
	default:
		return fmt.Errorf("unknown event %s", e.Type)
	}
	return err
}

func applyMoney(o *Order, e commitlog.Event) error {
	m, err := decode[moneyData](e)
	switch e.Type {
	case paymentAuthorized:
		o.Payment.Authorisation, o.Payment.Authorized = m.Ref, m.Amount
	case paymentCaptured:
		o.Payment.Authorized.Amount -= m.Amount.Amount
		o.Payment.Captured.Amount += m.Amount.Amount
	case paymentRefunded:
		o.Payment.Refunded.Amount += m.Amount.Amount
	case paymentVoided:
		o.Payment.Authorized, o.Payment.Voided, o.Settled = o.Money(0), m.Amount.Amount > 0, true
	}
	return err
}

func applyFulfilment(o *Order, e commitlog.Event) error {
	if e.Type == fulfilmentRequested {
		d, err := decode[fulfilmentData](e)
		o.Fulfilments = append(slices.Clip(o.Fulfilments), d.Fulfilment)
		return err
	}
	d, err := decode[ended](e)
	o.Fulfilments = slices.Clone(o.Fulfilments)
	for i := range o.Fulfilments {
		f := &o.Fulfilments[i]
		if f.ID != d.ID {
			continue
		}
		switch e.Type {
		case contract.FulfilmentShipped:
			f.Status, f.SettledBy = Shipped, e.Seq
		case fulfilmentFailed:
			f.Status, f.Failure, f.SettledBy = Failed, d.Reason, e.Seq
		case fulfilmentDelivered:
			f.Status = Arrived
		}
	}
	return err
}

func applyGivingBack(o *Order, e commitlog.Event) error {
	o.Returns, o.Refunds = slices.Clone(o.Returns), slices.Clone(o.Refunds)
	switch e.Type {
	case returnRequested:
		d, err := decode[returnData](e)
		d.Return.RequestedBy = e.Seq
		o.Returns = append(o.Returns, d.Return)
		return err
	case refundRequested:
		d, err := decode[refundData](e)
		o.Refunds = append(o.Refunds, d.Refund)
		return err
	}
	d, err := decode[receiptData](e) // what only ends has no more than an id
	for i := range o.Returns {
		r := &o.Returns[i]
		switch {
		case r.ID != d.ID:
		case e.Type == returnReceived:
			r.Status, r.Restock, r.Owed = Received, d.Restock, d.Owed
		case e.Type == returnSettled:
			r.Status = Refunded
		}
	}
	for i := range o.Refunds {
		r := &o.Refunds[i]
		switch {
		case r.ID != d.ID:
		case e.Type == refundSettled:
			r.Status, r.SettledBy = Refunded, e.Seq
		case e.Type == refundFailed:
			r.Status, r.SettledBy = Failed, e.Seq
		}
	}
	return err
}

// status follows from what was shipped, delivered and returned, once the order is confirmed.
func (o Order) status() Status {
	switch o.Status {
	case Placing, Rejected, Cancelled:
		return o.Status
	}
	sent := o.fulfilled(Fulfilment.sent).quantity()
	arrived := o.fulfilled(func(f Fulfilment) bool { return f.Status == Arrived }).quantity()
	whole := o.whole()
	switch {
	case sent == 0:
		return Confirmed
	case o.returned(false).quantity() == whole:
		return Returned
	case sent < whole:
		return PartiallyFulfilled
	case arrived < whole:
		return Fulfilled
	}
	return Delivered
}

func decode[T any](e commitlog.Event) (v T, err error) {
	err = e.Decode(&v)
	return v, err
}
