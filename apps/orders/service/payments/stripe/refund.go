package stripe

import (
	"context"
	"errors"
	"fmt"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments/stripe/intent"
	"haberdash/internal/money"
)

// metaRefund is the metadata of a refund that has its key.
const metaRefund = "refund"

// Refund implements payment.Provider.
func (p *Provider) Refund(ctx context.Context, key, authorisationID string,
	amount money.Money) (payment.Movement, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Movement{}, err
	}
	pi, err := p.find(ctx, authorisationID)
	if err != nil {
		return payment.Movement{}, err
	}
	for n := 1; n <= maxAttempts; n++ {
		if intent.HasCapture(pi, key) {
			return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		}
		refund, err := p.findRefund(ctx, pi, key)
		if err != nil {
			return payment.Movement{}, err
		}
		if refund != nil {
			return refundMovement(refund, pi, key, amount)
		}
		if err := intent.CheckRefund(pi, amount); err != nil {
			return payment.Movement{}, err
		}
		params := &stripe.RefundCreateParams{
			PaymentIntent: &pi.ID, Amount: &amount.Amount,
			Metadata: map[string]string{metaRefund: key, intent.MetaOrder: pi.Metadata[intent.MetaOrder]},
		}
		params.SetIdempotencyKey(numbered("move", key, n))
		refund, err = p.api.V1Refunds.Create(ctx, params)
		if err == nil {
			return refundMovement(refund, pi, key, amount)
		}
		if pi, err = p.afterRefusal(ctx, key, pi.ID, err); err != nil {
			return payment.Movement{}, err
		}
	}
	return payment.Movement{}, fmt.Errorf("%w: %s refunds nothing in %d attempts", payment.ErrProvider, pi.ID, maxAttempts)
}

// findRefund finds the refund with a key, however old it is; nil if there is none.
func (p *Provider) findRefund(ctx context.Context, pi *stripe.PaymentIntent, key string) (*stripe.Refund, error) {
	if pi.LatestCharge == nil || pi.LatestCharge.AmountRefunded == 0 {
		return nil, nil
	}
	params := &stripe.RefundListParams{PaymentIntent: &pi.ID}
	params.Limit = stripe.Int64(100)
	for r, err := range p.api.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, portError(ctx, err)
		}
		if r.Metadata[metaRefund] == key {
			return r, nil
		}
	}
	return nil, nil
}

// refundMovement is the movement of a refund. A refund that failed later, because the card does not exist any more,
// needs a person.
func refundMovement(r *stripe.Refund, pi *stripe.PaymentIntent, key string,
	amount money.Money) (payment.Movement, error) {
	switch {
	case r.Status == stripe.RefundStatusFailed || r.Status == stripe.RefundStatusCanceled:
		return payment.Movement{}, fmt.Errorf("stripe: refund %s %s", r.ID, r.Status)
	case r.Amount != amount.Amount || intent.Authorisation(pi).Amount.Currency != amount.Currency:
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return payment.Movement{ID: r.ID, Key: key, AuthorisationID: pi.ID, Amount: amount}, nil
}
