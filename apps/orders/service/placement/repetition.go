package placement

import (
	"context"
	"slices"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// answerUnclaimed answers a request whose order another request in this process is placing or deciding. Another process
// may have decided it meanwhile.
func (p *Placer) answerUnclaimed(ctx context.Context, s submission) (Answer, error) {
	o, version, err := p.Orders.Get(ctx, s.orderID)
	switch {
	case fault.Is(err, "not-found"):
		return Answer{}, errInProgress
	case err != nil:
		return Answer{}, err
	}
	if err := o.PlacedWith(s.fingerprint); err != nil {
		return Answer{}, err
	}
	if o.Status == order.Placing {
		return Answer{}, errInProgress
	}
	return answerFor(o, version, true), nil
}

// answerExisting answers a request whose order exists. A decided order gets its first answer. An undecided order, which
// was read at the end of the log and which the caller has claimed, is decided, unless its first request is still in
// progress.
func (p *Placer) answerExisting(ctx context.Context, o order.Order, version uint64, s submission) (Answer, error) {
	if err := o.PlacedWith(s.fingerprint); err != nil {
		return Answer{}, err
	}
	if o.Status != order.Placing {
		return answerFor(o, version, true), nil
	}
	if p.Now().Sub(o.PlacedAt) < p.ProviderTimeout { // another replica may be deciding it
		return Answer{}, errInProgress
	}
	return p.decide(ctx, o, version, s, LaterAttempt)
}

// answerFor answers for a decided order. A rejected order is a refusal.
func answerFor(o order.Order, version uint64, repeated bool) Answer {
	answer := Answer{Order: o, Version: version, Repeated: repeated}
	if o.Status == order.Rejected {
		answer.Refusal = problemOf(*o.Rejection).With("orderId", o.OrderID)
	}
	return answer
}

func problemOf(why order.Rejection) *fault.Error {
	switch why.Reason {
	case order.OutOfStock:
		return fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").
			With("lines", slices.Concat([]contract.OutOfStockLine{}, why.Lines))
	case order.PriceChanged:
		return contract.PriceChanged(why.Prices)
	case order.CartChanged:
		return contract.CartChanged(why.Gone)
	case order.PaymentDeclined:
		return fault.New(fault.PaymentRequired, "payment-declined", "The payment was declined.").With("code", why.Code)
	}
	return fault.New(fault.PaymentRequired, "payment-declined", "The payment could not be made in time.").
		With("code", "expired")
}
