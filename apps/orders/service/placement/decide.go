package placement

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/stock"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
)

// Attempt tells the first attempt to decide an order from later ones.
type Attempt int

// The attempts.
const (
	FirstAttempt Attempt = iota
	LaterAttempt
)

// DeciderOptions are the options of a Decider.
type DeciderOptions struct {
	Orders      *orderlog.Repository
	Stock       *stock.Client
	Payments    *payments.Client
	Now         func() time.Time
	Stages      *Stages
	RejectAfter time.Duration // the age at which an order is rejected whose payment provider does not answer
}

// Decider decides placed orders. It is safe for concurrent use.
type Decider struct {
	DeciderOptions
	claims sync.Map // order id → struct{}
}

// NewDecider makes a decider.
func NewDecider(o DeciderOptions) *Decider { return &Decider{DeciderOptions: o} }

// Claim claims an order for the caller; claimed is false while another caller in this process has it. That only saves
// work, because every step may be done twice.
func (d *Decider) Claim(orderID string) (release func(), claimed bool) {
	if _, busy := d.claims.LoadOrStore(orderID, struct{}{}); busy {
		return nil, false
	}
	return func() { d.claims.Delete(orderID) }, true
}

// Decide reserves the goods of an undecided order, authorises its payment and commits the decision. If several
// processes decide an order at once, the log accepts one decision. An order whose rejection has begun is not confirmed
// any more. After an error the order is undecided.
func (d *Decider) Decide(ctx context.Context, o order.Order, attempt Attempt) (order.Order, uint64, error) {
	if o.Rejection != nil {
		return d.finishRejection(ctx, o)
	}
	watch := stopwatch{running: attempt == FirstAttempt, since: time.Now()} // others are not those of the buyer's request
	why, err := d.reserveStock(ctx, o)
	watch.lap(d.Stages.reserve)
	var authorisation payment.Authorisation
	if err == nil && why == nil {
		authorisation, why, err = d.authorisePayment(ctx, o)
		watch.lap(d.Stages.authorise)
	}
	if err != nil {
		return order.Order{}, 0, err
	}
	defer watch.lap(d.Stages.decide)
	if why != nil {
		return d.reject(ctx, o, *why, attempt)
	}
	return d.confirm(ctx, o, authorisation)
}

// reserveStock reserves the goods, or returns why the order must be rejected. Any other refusal of catalog is not the
// buyer's fault: the order stays undecided.
func (d *Decider) reserveStock(ctx context.Context, o order.Order) (*order.Rejection, error) {
	err := d.Stock.Reserve(ctx, o)
	if err == nil {
		failpoint.Reach(afterReserve)
		return nil, nil
	}
	if why, refused := stock.Rejection(err); refused {
		return &why, nil
	}
	return nil, fault.New(fault.Unavailable, "unavailable", "The stock does not answer just now. Repeat the request.").
		After(time.Second).Because(err)
}

// authorisePayment authorises the payment, or returns why the order must be rejected. An order older than
// payment.KeyLife is rejected, because the provider may have forgotten the first attempt and would authorise twice.
func (d *Decider) authorisePayment(ctx context.Context,
	o order.Order) (payment.Authorisation, *order.Rejection, error) {
	if d.age(o) > payment.KeyLife {
		return payment.Authorisation{}, &order.Rejection{Reason: order.Expired}, nil
	}
	authorisation, err := d.Payments.Authorise(ctx, o)
	failpoint.Reach(afterAuthorise)
	var declined *payment.Declined
	switch {
	case err == nil:
		return authorisation, nil, nil
	case errors.As(err, &declined):
		return authorisation, &order.Rejection{Reason: order.PaymentDeclined, Code: declined.Code}, nil
	case errors.Is(err, payment.ErrVoided), d.age(o) > d.RejectAfter:
		return authorisation, &order.Rejection{Reason: order.Expired}, nil
	}
	return authorisation, nil, err
}

func (d *Decider) age(o order.Order) time.Duration { return d.Now().Sub(o.PlacedAt) }

// confirm commits the decision for the order, unless another process has decided it or has begun to reject it.
func (d *Decider) confirm(ctx context.Context, o order.Order, a payment.Authorisation) (order.Order, uint64, error) {
	confirmed, version, err := d.Orders.Confirm(ctx, o.OrderID, a.ID, a.Amount)
	if !fault.Is(err, "invalid-transition") {
		return confirmed, version, err
	}
	current, version, err := d.Orders.Get(ctx, o.OrderID)
	if err == nil && current.Status == order.Placing {
		return d.finishRejection(ctx, current)
	}
	return current, version, err
}

// reject decides against the order. If money or stock may be reserved, it first records that the rejection has begun,
// so that no process confirms the order.
func (d *Decider) reject(ctx context.Context, o order.Order, why order.Rejection,
	attempt Attempt) (order.Order, uint64, error) {
	// The first attempt requests money only after the stock is reserved. An earlier attempt may have got the money.
	if why.OfGoods() && attempt == FirstAttempt {
		return d.Orders.Reject(ctx, o, why)
	}
	rejected, version, err := d.Orders.BeginRejection(ctx, o.OrderID, why)
	if err != nil || rejected.Status != order.Placing {
		return rejected, version, err
	}
	failpoint.Reach(afterRejectionBegun)
	return d.finishRejection(ctx, rejected)
}

// finishRejection frees the money and the stock of an order whose rejection has begun, and commits the rejection.
func (d *Decider) finishRejection(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	captured, err := d.VoidPayment(ctx, o)
	if err != nil {
		return order.Order{}, 0, err
	}
	if captured != 0 {
		return order.Order{}, 0, fmt.Errorf("order %s: captured before it was confirmed", o.OrderID)
	}
	// A late copy of the refused reservation may still reserve the goods. Catalog frees them when it receives the
	// rejection, or asks what became of the order.
	if err := d.ReleaseStock(ctx, o); err != nil {
		return order.Order{}, 0, err
	}
	return d.Orders.Reject(ctx, o, *o.Rejection)
}

// VoidPayment releases the authorised money of an order and closes the payment's key for good. It returns the amount
// that was captured before. A declined payment, and an order that costs nothing, have no money to release.
func (d *Decider) VoidPayment(ctx context.Context, o order.Order) (captured int64, err error) {
	declined := o.Rejection != nil && o.Rejection.Reason == order.PaymentDeclined
	if o.Total.Amount > 0 && !declined {
		left, err := d.Payments.Void(ctx, o)
		if err != nil {
			return 0, err
		}
		captured = left.Captured.Amount
	}
	failpoint.Reach(afterVoid)
	return captured, nil
}

// ReleaseStock frees the reserved goods of an order.
func (d *Decider) ReleaseStock(ctx context.Context, o order.Order) error {
	if err := d.Stock.Release(ctx, o.OrderID); err != nil {
		return err
	}
	failpoint.Reach(afterRelease)
	return nil
}
