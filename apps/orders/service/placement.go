package service

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/vault"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// placement is a request to place an order, as the public API has it.
type placement struct {
	CartID          string           `json:"cartId" minLength:"1" maxLength:"128"`
	Email           string           `json:"email" format:"email" maxLength:"254"`
	ShippingAddress contract.Address `json:"shippingAddress"`
	ShippingOption  string           `json:"shippingOption,omitempty" maxLength:"64"`
	Payment         paymentMethod    `json:"payment"`
}

type paymentMethod struct {
	Method string `json:"method" enum:"card"`
	Token  string `json:"token" minLength:"1" maxLength:"128" pattern:"^[!-~]+$" doc:"From the payment provider; card data never comes here"`
}

// outcome is what a placement answers with.
type outcome struct {
	order    order.Order
	version  uint64
	replayed bool
}

// callerScope is who an idempotency key belongs to: the customer, or the cart, whose id is the guest's
// secret.
func callerScope(ctx context.Context, p placement) string {
	if c := identity.Of(ctx); c.Known() {
		return "user/" + c.UserID
	}
	return "cart/" + p.CartID
}

// place places an order, or answers for the one that the same key has placed. Costs of a new order: two invocations
// in sequence (cart, catalog), three log commits (two here, one in catalog), three reads (one each, here beside the
// first invocation) and the provider's own time.
func (s *Service) place(ctx context.Context, key string, p placement) (outcome, error) {
	defer s.placing.begin()()
	id := s.orderID(callerScope(ctx, p), key)
	if o, version, warm := s.Book.Warm(id); warm {
		return s.replay(ctx, o, version, p)
	}
	done, mine := s.take(id)
	if !mine {
		return outcome{}, inProgress()
	}
	defer done()
	quote, k, replayed, err := s.quote(ctx, id, p)
	if errors.Is(err, errUnread) {
		return outcome{}, err
	}
	if err != nil {
		// The order may be there, though not in this process's memory; its cart is empty since.
		if o, version, getErr := s.Book.Get(ctx, id); getErr == nil {
			return s.replayTaken(ctx, o, version, p)
		} else if !fault.Is(getErr, "not-found") {
			return outcome{}, getErr
		}
		if replayed {
			return outcome{replayed: true}, err
		}
		return outcome{}, s.refuse(ctx, id, p, err)
	}
	request, err := s.sealed(k, id, p)
	if err != nil {
		return outcome{}, err
	}
	o, version, created, err := s.Book.Place(ctx, fact(ctx, id, quote), request)
	if err != nil {
		return outcome{}, s.refuse(ctx, id, p, err)
	}
	if !created {
		return s.replayTaken(ctx, o, version, p)
	}
	reached(afterPlace)
	return s.drive(ctx, o, version, p, first)
}

// quote asks what the cart costs, and meanwhile whether the same request was refused before: then that is the
// answer (replayed). Else there are keys to seal it with by then, made if need be.
func (s *Service) quote(ctx context.Context, id string, p placement) (quote contract.Quote, k keys, replayed bool, err error) {
	asked := make(chan error, 1)
	go func() {
		asked <- sidecar.Call(ctx, s.Invoker, "cart", http.MethodPost, "/internal/quotes", nil,
			contract.QuoteRequest{CartID: p.CartID, ShippingAddress: p.ShippingAddress, ShippingOption: p.ShippingOption}, &quote)
	}()
	customer, year := identity.Of(ctx).UserID, s.Now().UTC().Year()
	read, replayed, err := s.refusedBefore(ctx, id, p, vault.Asks(customer, year)...)
	if err == nil {
		k, err = s.keysFor(ctx, customer, year, read)
	}
	if quoteErr := <-asked; err == nil {
		err = quoteErr
	}
	return quote, k, replayed, err
}

func fact(ctx context.Context, id string, q contract.Quote) contract.OrderFact {
	fact := contract.OrderFact{
		OrderID: id, Customer: identity.Of(ctx).UserID, CartID: q.CartID, CartVersion: q.CartVersion,
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total,
	}
	for _, l := range q.Lines {
		fact.Lines = append(fact.Lines, contract.OrderLine{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice,
			Taxable: l.Taxable, Shipped: l.Shipped, Total: l.Total, Discount: l.Discount, Tax: l.Tax})
	}
	return fact
}

// replay answers for an order that the same key has placed before: the first answer if it is decided,
// else request-in-progress, or, when the first request is over, another attempt to decide it.
func (s *Service) replay(ctx context.Context, o order.Order, version uint64, p placement) (outcome, error) {
	if o.Status == order.Placing && o.Matches(s.fingerprint(p)) == nil {
		done, mine := s.take(o.OrderID)
		if !mine {
			return outcome{}, inProgress()
		}
		defer done()
	}
	return s.replayTaken(ctx, o, version, p)
}

// replayTaken is replay for whoever has taken the order already.
func (s *Service) replayTaken(ctx context.Context, o order.Order, version uint64, p placement) (outcome, error) {
	if err := o.Matches(s.fingerprint(p)); err != nil {
		return outcome{}, err
	}
	if o.Status != order.Placing {
		return answer(o, version, true)
	}
	if s.Now().Sub(o.PlacedAt) < s.ProviderPatience { // another replica may be at it
		return outcome{}, inProgress()
	}
	return s.drive(ctx, o, version, p, again)
}

func inProgress() error {
	return fault.New(fault.Conflict, "request-in-progress", "The first request with this Idempotency-Key is still running.").After(time.Second)
}

// drive takes a placed order to its decision. Each step is idempotent by the order's id, so it can be
// repeated from the start after any crash, also by two processes at once: the log takes one decision.
func (s *Service) drive(ctx context.Context, o order.Order, version uint64, p placement, try attempt) (outcome, error) {
	replayed := try == again
	// The buyer may hang up; the order goes on all the same.
	ctx = context.WithoutCancel(ctx)
	decided, version, err := s.decide(ctx, o, version, try)
	switch {
	case errors.Is(err, payment.ErrNoAnswer), errors.Is(err, payment.ErrProvider):
		telemetry.Log(ctx).Warn().Err(err).Str("order", o.OrderID).Msg("payment provider silent, order stays open")
		return outcome{o, version, replayed}, nil
	case err != nil:
		return outcome{}, err
	}
	reached(afterDecision)
	if decided.Rejection != nil && decided.Rejection.Reason == order.PriceChanged {
		s.renewCart(ctx, decided, p.ShippingAddress)
	}
	return answer(decided, version, replayed)
}

// renewCart has the cart take over the prices that its buyer is about to be told. Where it cannot, the next order
// of the cart is refused like this one.
func (s *Service) renewCart(ctx context.Context, o order.Order, address contract.Address) {
	err := sidecar.Call(ctx, s.Invoker, "cart", http.MethodPost, "/internal/quotes", nil,
		contract.QuoteRequest{CartID: o.CartID, ShippingAddress: address, Renew: true}, nil)
	if err != nil && !fault.Is(err, order.PriceChanged) {
		telemetry.Log(ctx).Warn().Err(err).Str("order", o.OrderID).Msg("cart not renewed")
	}
}

// answer gives a decided order's outcome: a rejected one is a problem.
func answer(o order.Order, version uint64, replayed bool) (outcome, error) {
	out := outcome{o, version, replayed}
	if o.Status != order.Rejected {
		return out, nil
	}
	var problem *fault.Error
	switch o.Rejection.Reason {
	case order.OutOfStock:
		problem = fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").With("lines", slices.Concat([]contract.OutOfStockLine{}, o.Rejection.Lines))
	case order.PriceChanged:
		problem = contract.PriceChanged(o.Rejection.Prices)
	case order.CartChanged:
		problem = contract.CartChanged(o.Rejection.Gone)
	case order.PaymentDeclines:
		problem = fault.New(fault.PaymentRequired, "payment-declined", "The payment was declined.").With("code", o.Rejection.Code)
	default:
		problem = fault.New(fault.PaymentRequired, "payment-declined", "The payment could not be made in time.").With("code", "expired")
	}
	return out, problem.With("orderId", o.OrderID)
}
