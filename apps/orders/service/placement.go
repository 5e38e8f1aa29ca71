package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	Payment         struct {
		Method string `json:"method" enum:"card"`
		Token  string `json:"token" minLength:"1" maxLength:"128" pattern:"^[!-~]+$" doc:"From the payment provider; card data never comes here"`
	} `json:"payment"`
}

// fingerprint identifies the request whatever the order of its members or its white space.
func (p placement) fingerprint() string {
	canonical, err := json.Marshal(p)
	if err != nil {
		panic(err) // a plain struct of strings
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// attempt tells whether a placed order is driven for the first time.
type attempt int

const (
	first attempt = iota
	again
)

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

// place places an order, or answers for the one that the same key has placed. Costs of a new order: one
// read, invocations of cart and catalog in sequence, three log commits (two here, one in catalog) and the
// provider's own time.
func (s *Service) place(ctx context.Context, key string, p placement) (outcome, error) {
	id := s.orderID(callerScope(ctx, p), key)
	if existing, version, err := s.Book.Get(ctx, id); err == nil {
		return s.replay(ctx, existing, version, p)
	} else if !fault.Is(err, "not-found") {
		return outcome{}, err
	}
	if _, busy := s.running.LoadOrStore(id, struct{}{}); busy {
		return outcome{}, inProgress()
	}
	defer s.running.Delete(id)

	var quote contract.Quote
	err := sidecar.Call(ctx, s.Invoker, "cart", http.MethodPost, "/internal/quotes", nil,
		contract.QuoteRequest{CartID: p.CartID, ShippingAddress: p.ShippingAddress, ShippingOption: p.ShippingOption}, &quote)
	if err != nil {
		return outcome{}, err
	}
	o, version, created, err := s.Book.Place(ctx, s.fact(ctx, id, p, quote), order.Request{Fingerprint: p.fingerprint(), Token: p.Payment.Token})
	if err != nil {
		return outcome{}, err
	}
	if !created { // another replica was faster
		return s.replay(ctx, o, version, p)
	}
	return s.drive(ctx, o, version, first)
}

func (s *Service) fact(ctx context.Context, id string, p placement, q contract.Quote) contract.OrderFact {
	fact := contract.OrderFact{
		OrderID: id, Customer: identity.Of(ctx).UserID, Email: p.Email, CartID: q.CartID, CartVersion: q.CartVersion,
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total, ShippingAddress: p.ShippingAddress,
	}
	for _, l := range q.Lines {
		fact.Lines = append(fact.Lines, contract.OrderLine{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice, Total: l.Total})
	}
	return fact
}

// replay answers for an order that the same key has placed before: the first answer if it is decided,
// else request-in-progress, or, when the first request is over, another attempt to decide it.
func (s *Service) replay(ctx context.Context, o order.Order, version uint64, p placement) (outcome, error) {
	if err := o.Matches(p.fingerprint()); err != nil {
		return outcome{}, err
	}
	if o.Status != order.Placing {
		return answer(o, version, true)
	}
	_, busy := s.running.LoadOrStore(o.OrderID, struct{}{})
	if busy {
		return outcome{}, inProgress()
	}
	defer s.running.Delete(o.OrderID)
	if s.Now().Sub(o.PlacedAt) < s.ProviderPatience { // another replica may be at it
		return outcome{}, inProgress()
	}
	return s.drive(ctx, o, version, again)
}

func inProgress() error {
	return fault.New(fault.Conflict, "request-in-progress", "The first request with this Idempotency-Key is still running.").After(time.Second)
}

// drive takes a placed order to its decision. Each step is idempotent by the order's id, so it can be
// repeated from the start after any crash, also by two processes at once: the log takes one decision.
func (s *Service) drive(ctx context.Context, o order.Order, version uint64, try attempt) (outcome, error) {
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
	return answer(decided, version, replayed)
}

// decide reserves, authorises and commits the decision.
func (s *Service) decide(ctx context.Context, o order.Order, version uint64, try attempt) (order.Order, uint64, error) {
	if err := s.reserve(ctx, o); err != nil {
		var f *fault.Error
		if errors.As(err, &f) && (f.Type == "out-of-stock" || f.Type == "unknown-sku" || f.Type == "invalid-transition") {
			return s.reject(ctx, o, order.Rejection{Reason: order.OutOfStock, Lines: shortLines(f)}, try)
		}
		// Any other refusal is not the buyer's: the order stays open, recovery goes on with it.
		return o, version, fault.New(fault.Unavailable, "unavailable", "The stock does not answer just now. Repeat the request.").After(time.Second).Because(err)
	}
	auth, err := s.authorise(ctx, o)
	var declined *payment.Declined
	switch {
	case err == nil:
		return s.Book.Confirm(ctx, o.OrderID, auth.ID, auth.Amount, s.guestToken(o))
	case errors.As(err, &declined):
		return s.reject(ctx, o, order.Rejection{Reason: order.PaymentDeclines, Code: declined.Code}, try)
	case errors.Is(err, payment.ErrVoided):
		return s.reject(ctx, o, order.Rejection{Reason: order.Expired}, try)
	case s.Now().Sub(o.PlacedAt) > s.GiveUp:
		return s.reject(ctx, o, order.Rejection{Reason: order.Expired}, try)
	}
	return o, version, err
}

// reserve holds the order's stock. A hold that was released meanwhile answers invalid-transition.
func (s *Service) reserve(ctx context.Context, o order.Order) error {
	lines := make([]contract.Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = contract.Line{SKU: l.SKU, Quantity: l.Quantity}
	}
	var held contract.Reservation
	err := sidecar.Call(ctx, s.Invoker, "catalog", http.MethodPut, reservationPath(o.OrderID), nil,
		contract.ReservationRequest{Lines: lines, ExpiresAt: s.Now().Add(15 * time.Minute).UTC()}, &held)
	if err == nil && held.Status == "released" {
		return fault.New(fault.Conflict, "invalid-transition", "The reservation was released.")
	}
	return err
}

func reservationPath(orderID string) string {
	return "/internal/reservations/" + url.PathEscape(orderID)
}

// retryEvery is the pause between attempts at a provider that fails, doubled each time.
const retryEvery = 100 * time.Millisecond

// authorise asks the provider until it answers or patience ends. A free order needs no money.
func (s *Service) authorise(ctx context.Context, o order.Order) (payment.Authorisation, error) {
	if o.Total.Amount == 0 {
		return payment.Authorisation{ID: "free", Amount: o.Total, Status: payment.Authorised}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.ProviderPatience)
	defer cancel()
	for wait := retryEvery; ; wait *= 2 {
		auth, err := s.Payments.Authorise(ctx, o.OrderID, o.Total, o.Request.Token)
		if !errors.Is(err, payment.ErrProvider) {
			return auth, err
		}
		select {
		case <-ctx.Done():
			return auth, err
		case <-time.After(wait):
		}
	}
}

// reject leaves nothing behind before it records the rejection: the payment's key is closed for good, then
// the stock is free. A crash in between is taken up by recovery, which comes to the same end.
func (s *Service) reject(ctx context.Context, o order.Order, why order.Rejection, try attempt) (order.Order, uint64, error) {
	// The first attempt asks for money only when it has the goods; an earlier one may have got it.
	nothingHeld := why.Reason == order.OutOfStock && try == first
	if why.Reason != order.PaymentDeclines && !nothingHeld && o.Total.Amount > 0 {
		left, err := s.Payments.Void(ctx, o.OrderID, o.Total, o.Payment.Authorisation)
		if err != nil {
			return o, 0, err
		}
		if left.Captured.Amount != 0 {
			return o, 0, fmt.Errorf("order %s: captured before it was confirmed", o.OrderID)
		}
	}
	// Should a late copy of a refused request reserve after all, catalog frees it when it hears of the
	// rejection, or asks after it.
	if !nothingHeld {
		if err := s.release(ctx, o.OrderID); err != nil {
			return o, 0, err
		}
	}
	return s.Book.Reject(ctx, o.OrderID, why)
}

func (s *Service) release(ctx context.Context, orderID string) error {
	return sidecar.Call(ctx, s.Invoker, "catalog", http.MethodDelete, reservationPath(orderID), nil, nil, nil)
}

func (s *Service) guestToken(o order.Order) string {
	if o.Customer != "" {
		return ""
	}
	return s.accessToken(o.OrderID)
}

func shortLines(f *fault.Error) []contract.OutOfStockLine {
	var lines []contract.OutOfStockLine
	raw, err := json.Marshal(f.Members["lines"])
	if err == nil {
		err = json.Unmarshal(raw, &lines)
	}
	if err != nil || lines == nil {
		return []contract.OutOfStockLine{}
	}
	return lines
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
		problem = fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").With("lines", o.Rejection.Lines)
	case order.PaymentDeclines:
		problem = fault.New(fault.PaymentRequired, "payment-declined", "The payment was declined.").With("code", o.Rejection.Code)
	default:
		problem = fault.New(fault.PaymentRequired, "payment-declined", "The payment could not be made in time.").With("code", "expired")
	}
	return out, problem.With("orderId", o.OrderID)
}
