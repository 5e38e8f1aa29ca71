package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// attempt tells whether a placed order is driven for the first time.
type attempt int

const (
	first attempt = iota
	again
)

// decide takes an undecided order to its decision: it reserves, authorises and commits. The log arbitrates
// between two processes that are at it: what has begun to be given up is not confirmed any more.
func (s *Service) decide(ctx context.Context, o order.Order, version uint64, try attempt) (order.Order, uint64, error) {
	if o.Rejection != nil {
		return s.giveUp(ctx, o)
	}
	if err := s.reserve(ctx, o); err != nil {
		if why, final := refusedGoods(err); final {
			return s.reject(ctx, o, why, try)
		}
		// Any other refusal is not the buyer's: the order stays open, its lifecycle goes on with it.
		return o, version, fault.New(fault.Unavailable, "unavailable", "The stock does not answer just now. Repeat the request.").After(time.Second).Because(err)
	}
	reached(afterReserve)
	if s.Now().Sub(o.PlacedAt) > payment.KeyLife { // the provider may not know its first attempt any more
		return s.reject(ctx, o, order.Rejection{Reason: order.Expired}, try)
	}
	auth, err := s.authorise(ctx, o)
	reached(afterAuthorise)
	var declined *payment.Declined
	switch {
	case err == nil:
		return s.confirm(ctx, o, auth)
	case errors.As(err, &declined):
		return s.reject(ctx, o, order.Rejection{Reason: order.PaymentDeclines, Code: declined.Code}, try)
	case errors.Is(err, payment.ErrVoided), s.Now().Sub(o.PlacedAt) > s.GiveUp:
		return s.reject(ctx, o, order.Rejection{Reason: order.Expired}, try)
	}
	return o, version, err
}

func (s *Service) confirm(ctx context.Context, o order.Order, auth payment.Authorisation) (order.Order, uint64, error) {
	confirmed, version, err := s.Book.Confirm(ctx, o.OrderID, auth.ID, auth.Amount)
	if !fault.Is(err, "invalid-transition") {
		return confirmed, version, err
	}
	// Somebody else has decided, or is about to.
	now, version, err := s.Book.Get(ctx, o.OrderID)
	if err == nil && now.Status == order.Placing {
		return s.giveUp(ctx, now)
	}
	return now, version, err
}

// reserve holds the order's stock. A hold that was released meanwhile answers invalid-transition.
func (s *Service) reserve(ctx context.Context, o order.Order) error {
	r := contract.ReservationRequest{ExpiresAt: s.Now().Add(s.HoldFor).UTC()}
	for _, l := range o.Lines {
		r.Lines = append(r.Lines, contract.Line{SKU: l.SKU, Quantity: l.Quantity})
		r.Shown = append(r.Shown, contract.Shown{SKU: l.SKU, UnitPrice: l.UnitPrice, Taxable: l.Taxable, Shipped: l.Shipped})
	}
	var held contract.Reservation
	err := sidecar.Call(ctx, s.Invoker, "catalog", http.MethodPut, reservationPath(o.OrderID), nil, r, &held)
	if err == nil && held.Status == "released" {
		return fault.New(fault.Conflict, "invalid-transition", "The reservation was released.")
	}
	return err
}

func reservationPath(orderID string) string {
	return "/internal/reservations/" + url.PathEscape(orderID)
}

func (s *Service) release(ctx context.Context, orderID string) error {
	return sidecar.Call(ctx, s.Invoker, "catalog", http.MethodDelete, reservationPath(orderID), nil, nil, nil)
}

// retryEvery is the pause between attempts at a provider that fails, doubled each time.
const retryEvery = 100 * time.Millisecond

// authorise asks the provider until it answers or patience ends. A free order needs no money.
func (s *Service) authorise(ctx context.Context, o order.Order) (payment.Authorisation, error) {
	if o.Total.Amount == 0 {
		return payment.Authorisation{ID: "free", Amount: o.Total, Status: payment.Authorised}, nil
	}
	var auth payment.Authorisation
	err := s.insist(ctx, func(ctx context.Context) (err error) {
		auth, err = s.Payments.Authorise(ctx, o.OrderID, o.Total, o.Request.Token)
		return err
	})
	return auth, err
}

// insist repeats a call to the provider that failed, within the patience for one request.
func (s *Service) insist(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.ProviderPatience)
	defer cancel()
	for wait := retryEvery; ; wait *= 2 {
		err := call(ctx)
		if !errors.Is(err, payment.ErrProvider) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// reject decides against the order. When money or goods may be held, that is first recorded as an intent:
// from then on nobody confirms it.
func (s *Service) reject(ctx context.Context, o order.Order, why order.Rejection, try attempt) (order.Order, uint64, error) {
	// The first attempt asks for money only when it has the goods; an earlier one may have got it.
	if why.OfGoods() && try == first {
		return s.Book.Reject(ctx, o, why)
	}
	intent, version, err := s.Book.GiveUp(ctx, o.OrderID, why)
	if err != nil || intent.Status != order.Placing {
		return intent, version, err
	}
	reached(afterGiveUp)
	return s.giveUp(ctx, intent)
}

// giveUp leaves nothing of an order that is to be rejected and then records that it is: the payment's key is
// closed for good, and the stock is free.
func (s *Service) giveUp(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	if o.Rejection.Reason != order.PaymentDeclines && o.Total.Amount > 0 {
		left, err := s.void(ctx, o)
		if err != nil {
			return o, 0, err
		}
		if left.Captured.Amount != 0 {
			return o, 0, fmt.Errorf("order %s: captured before it was confirmed", o.OrderID)
		}
	}
	reached(afterVoid)
	// Should a late copy of a refused request reserve after all, catalog frees it when it hears of the
	// rejection, or asks after it.
	if err := s.release(ctx, o.OrderID); err != nil {
		return o, 0, err
	}
	reached(afterRelease)
	return s.Book.Reject(ctx, o, *o.Rejection)
}

func (s *Service) void(ctx context.Context, o order.Order) (left payment.Authorisation, err error) {
	err = s.insist(ctx, func(ctx context.Context) (err error) {
		left, err = s.Payments.Void(ctx, o.OrderID, o.Total, o.Payment.Authorisation)
		return err
	})
	return left, err
}

func (s *Service) guestToken(o order.Order) string {
	if o.Customer != "" {
		return ""
	}
	return s.accessToken(o.OrderID)
}

// refusedGoods reads catalog's refusal of a reservation. Another error is not the buyer's, and not final.
func refusedGoods(err error) (why order.Rejection, final bool) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return why, false
	}
	switch f.Type {
	case "out-of-stock", "unknown-sku", "invalid-transition":
		return order.Rejection{Reason: order.OutOfStock, Lines: member[contract.OutOfStockLine](f, "lines")}, true
	case order.PriceChanged:
		return order.Rejection{Reason: order.PriceChanged, Prices: member[contract.PriceChangedLine](f, "lines")}, true
	case order.CartChanged:
		return order.Rejection{Reason: order.CartChanged, Gone: member[string](f, "skus")}, true
	}
	return why, false
}

// member reads a list that came with a problem.
func member[T any](f *fault.Error, name string) []T {
	list := []T{}
	if raw, err := json.Marshal(f.Members[name]); err == nil {
		_ = json.Unmarshal(raw, &list) // what cannot be read is left out
	}
	return list
}
