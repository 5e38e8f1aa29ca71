package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments/stripe/intent"
	"haberdash/internal/money"
)

// Capture implements payment.Provider.
func (p *Provider) Capture(ctx context.Context, key, authorisationID string,
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
			return intent.Capture(pi, key, amount)
		}
		if err := intent.CheckCapture(pi, amount); err != nil {
			return payment.Movement{}, err
		}
		now, err := p.api.V1PaymentIntents.Capture(ctx, pi.ID, captureParams(pi, key, amount, n))
		if err == nil { // now, or before: the idempotency key means that it was this capture
			return intent.MadeCapture(now, key, amount)
		}
		if pi, err = p.afterRefusal(ctx, key, pi.ID, err); err != nil {
			return payment.Movement{}, err
		}
		if !intent.HasCapture(pi, key) && intent.NotedCaptures(pi) != pi.AmountReceived {
			return payment.Movement{}, fmt.Errorf(
				"%w: the metadata of %s does not list all captures, a person must compare it with the order",
				payment.ErrProvider, pi.ID)
		}
	}
	return payment.Movement{}, fmt.Errorf("%w: %s captures nothing in %d attempts",
		payment.ErrProvider, pi.ID, maxAttempts)
}

func captureParams(pi *stripe.PaymentIntent, key string, amount money.Money, n int) *stripe.PaymentIntentCaptureParams {
	params := &stripe.PaymentIntentCaptureParams{
		AmountToCapture: &amount.Amount,
		Metadata:        intent.CaptureMetadata(key, amount),
	}
	if intent.Multicapture(pi) {
		// Also not for the last part: which part is the last depends on the others, and a repetition must be the same.
		params.FinalCapture = stripe.Bool(false)
	}
	params.AddExpand(charge)
	params.SetIdempotencyKey(numbered("move", key, n))
	return params
}

// afterRefusal handles the error of a capture or refund: it returns the intent for another decision, or an error if
// there is nothing to try.
func (p *Provider) afterRefusal(ctx context.Context, key, id string, err error) (*stripe.PaymentIntent, error) {
	e := stripeError(err)
	switch {
	case e == nil:
		return nil, portError(ctx, err)
	case keyReused(e):
		return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	case e.Type == stripe.ErrorTypeCard: // the card's issuer has changed its answer
		return nil, &payment.Declined{Code: intent.DeclineCode(e)}
	case errorRepeats(e), e.HTTPStatusCode == http.StatusBadRequest:
		return p.retrieve(ctx, id)
	}
	return nil, portError(ctx, err)
}
