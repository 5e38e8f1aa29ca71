package stripe

import (
	"context"
	"fmt"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments/stripe/intent"
	"haberdash/internal/money"
)

// intentPrefix begins the ids of PaymentIntents.
const intentPrefix = "pi_"

// charge is expanded in every answer: it has the refunded amount, the time, and whether the card can be captured more
// than once.
const charge = "latest_charge"

// maxAttempts is how many numbered idempotency keys of a call are tried. Each further one is needed only after an
// internal error that Stripe repeats.
const maxAttempts = 10

// numbered is the idempotency key of the nth attempt at a call. It is shorter than Stripe's maximum of 255 characters,
// and different for every call, key and number.
func numbered(call, key string, n int) string { return fmt.Sprintf("%s/%s/%d", call, key, n) }

// create returns the one intent of an order's key, as it was when it was created. Its parameters must depend on the key
// and the amount alone, because Void creates it too.
func (p *Provider) create(ctx context.Context, key string, amount money.Money) (*stripe.PaymentIntent, error) {
	for n := 1; n <= maxAttempts; n++ {
		params := &stripe.PaymentIntentCreateParams{
			Amount: &amount.Amount, Currency: stripe.String(strings.ToLower(amount.Currency)),
			CaptureMethod:      stripe.String(stripe.PaymentIntentCaptureMethodManual),
			PaymentMethodTypes: stripe.StringSlice([]string{"card"}),
			Metadata:           map[string]string{intent.MetaOrder: key},
		}
		params.SetIdempotencyKey(numbered("create", key, n))
		pi, err := p.api.V1PaymentIntents.Create(ctx, params)
		switch e := stripeError(err); {
		case err == nil:
			return pi, nil
		case e != nil && keyReused(e):
			return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		case e != nil && e.Type == stripe.ErrorTypeInvalidRequest && e.Param == "amount":
			return nil, &payment.Declined{Code: string(e.Code)}
		case e == nil || !errorRepeats(e):
			return nil, portError(ctx, err)
		}
	}
	return nil, fmt.Errorf("%w: no intent for %s in %d attempts", payment.ErrProvider, key, maxAttempts)
}

// retrieve returns an intent's present state.
func (p *Provider) retrieve(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentRetrieveParams{}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Retrieve(ctx, id, params)
	if err != nil {
		return nil, portError(ctx, err)
	}
	return pi, nil
}

// find returns the intent of an authorisation's id. Intents that this adapter has not made are not found.
func (p *Provider) find(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	if !strings.HasPrefix(id, intentPrefix) {
		return nil, fmt.Errorf("%w: %q", payment.ErrNotFound, id)
	}
	pi, err := p.retrieve(ctx, id)
	missing := false
	if e := stripeError(err); e != nil {
		missing = e.Code == stripe.ErrorCodeResourceMissing
	}
	if missing || err == nil && pi.Metadata[intent.MetaOrder] == "" {
		return nil, fmt.Errorf("%w: %q", payment.ErrNotFound, id)
	}
	return pi, err
}

// ReadAuthorisation returns an authorisation's present state. Errors: payment.ErrNotFound, and those of an unknown
// outcome.
func (p *Provider) ReadAuthorisation(ctx context.Context, authorisationID string) (payment.Authorisation, error) {
	pi, err := p.find(ctx, authorisationID)
	if err != nil {
		return payment.Authorisation{}, err
	}
	return intent.Authorisation(pi), nil
}
