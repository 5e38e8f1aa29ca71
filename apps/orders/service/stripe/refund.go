package stripe

import (
	"context"
	"errors"
	"fmt"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// metaRefund is the metadata of a refund that has its key.
const metaRefund = "refund"

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, key, authorisationID string, amount money.Money) (payment.Movement, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Movement{}, err
	}
	pi, err := p.find(ctx, authorisationID)
	if err != nil {
		return payment.Movement{}, err
	}
	for n := 1; n <= numbers; n++ {
		if _, used := pi.Metadata[captureName(key)]; used {
			return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		}
		given, err := p.given(ctx, pi, key)
		if err != nil {
			return payment.Movement{}, err
		}
		if given != nil {
			return movement(given, pi, key, amount)
		}
		if err := refundable(pi, amount); err != nil {
			return payment.Movement{}, err
		}
		params := &stripe.RefundCreateParams{
			PaymentIntent: &pi.ID, Amount: &amount.Amount,
			Metadata: map[string]string{metaRefund: key, metaOrder: pi.Metadata[metaOrder]},
		}
		params.SetIdempotencyKey(numbered("move", key, n))
		given, err = p.api.V1Refunds.Create(ctx, params)
		if err == nil {
			return movement(given, pi, key, amount)
		}
		if pi, err = p.afterRefusal(ctx, key, pi.ID, err); err != nil {
			return payment.Movement{}, err
		}
	}
	return payment.Movement{}, fmt.Errorf("%w: %s refunds nothing in %d attempts", payment.ErrProvider, pi.ID, numbers)
}

// given finds the refund that was made under a key, whenever that was; nil if none was.
func (p *Provider) given(ctx context.Context, pi *stripe.PaymentIntent, key string) (*stripe.Refund, error) {
	if pi.LatestCharge == nil || pi.LatestCharge.AmountRefunded == 0 {
		return nil, nil
	}
	params := &stripe.RefundListParams{PaymentIntent: &pi.ID}
	params.Limit = stripe.Int64(100)
	for r, err := range p.api.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, failed(ctx, err)
		}
		if r.Metadata[metaRefund] == key {
			return r, nil
		}
	}
	return nil, nil
}

// movement is a refund that was made. One that failed since, as the card is gone, needs a person.
func movement(r *stripe.Refund, pi *stripe.PaymentIntent, key string, amount money.Money) (payment.Movement, error) {
	switch {
	case r.Status == stripe.RefundStatusFailed || r.Status == stripe.RefundStatusCanceled:
		return payment.Movement{}, fmt.Errorf("stripe: refund %s %s", r.ID, r.Status)
	case r.Amount != amount.Amount || authorisation(pi).Amount.Currency != amount.Currency:
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return payment.Movement{ID: r.ID, Key: key, AuthorisationID: pi.ID, Amount: amount}, nil
}

// refundable says why an amount cannot be refunded.
func refundable(pi *stripe.PaymentIntent, amount money.Money) error {
	a := authorisation(pi)
	left := a.Captured.Amount - a.Refunded.Amount
	switch {
	case a.Status == "":
		return fmt.Errorf("%w: %q", payment.ErrNotFound, pi.ID)
	case amount.Currency != a.Amount.Currency:
		return fmt.Errorf("%w: %s of an authorisation in %s", payment.ErrInvalid, amount, a.Amount.Currency)
	case amount.Amount > left:
		return fmt.Errorf("%w: %s of %s", payment.ErrExceeds, amount, money.New(left, a.Amount.Currency))
	}
	return nil
}
