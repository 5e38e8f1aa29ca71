package stripe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments/stripe/intent"
	"haberdash/internal/money"
)

// Void implements payment.Provider. Without an authorisation's id, and more than a day after the key's first use, it
// depends on Stripe's search.
func (p *Provider) Void(ctx context.Context, key string, amount money.Money,
	authorisationID string) (payment.Authorisation, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Authorisation{}, err
	}
	pi, err := p.intentToVoid(ctx, key, amount, authorisationID)
	var declined *payment.Declined
	if errors.As(err, &declined) {
		return declinedWithoutIntent(key, amount, declined.Code), nil // no later attempt can succeed either
	}
	if err == nil {
		pi, err = p.end(ctx, pi)
	}
	if err != nil {
		return payment.Authorisation{}, err
	}
	return intent.Authorisation(pi), nil
}

// intentToVoid returns the intent of the key or id, in its present state.
func (p *Provider) intentToVoid(ctx context.Context, key string, amount money.Money,
	id string) (*stripe.PaymentIntent, error) {
	if id == "" {
		pi, err := p.create(ctx, key, amount)
		switch {
		case err != nil:
			return nil, err
		case repeated(pi.LastResponse):
			return p.retrieve(ctx, pi.ID)
		}
		return p.earlierIntent(ctx, key, pi)
	}
	pi, err := p.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case pi.Metadata[intent.MetaOrder] != key:
		return nil, fmt.Errorf("%w: %q under %s", payment.ErrNotFound, id, key)
	case intent.Authorisation(pi).Amount != amount:
		return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return pi, nil
}

// earlierIntent returns the intent that an order's key had before Stripe forgot the key and created another, and ends
// the one that was created. Without an earlier intent it returns the created one.
func (p *Provider) earlierIntent(ctx context.Context, key string,
	created *stripe.PaymentIntent) (*stripe.PaymentIntent, error) {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)
	params := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{
		Query: fmt.Sprintf(`metadata["%s"]:"%s"`, intent.MetaOrder, quoted),
	}}
	params.AddExpand("data." + charge)
	found := created
	for pi, err := range p.api.V1PaymentIntents.Search(ctx, params).All(ctx) {
		switch {
		case err != nil:
			return nil, portError(ctx, err)
		case pi.ID == created.ID:
			continue
		}
		// End the intents that are not returned: normally only the created one.
		if _, err := p.end(ctx, found); err != nil {
			return nil, err
		}
		found = pi
	}
	return found, nil
}

// end releases what an intent reserves, and closes it.
func (p *Provider) end(ctx context.Context, pi *stripe.PaymentIntent) (*stripe.PaymentIntent, error) {
	for range maxAttempts {
		if s := intent.Status(pi); s != "" && s != payment.Authorised {
			return pi, nil
		}
		var err error
		if pi.AmountReceived > 0 { // Stripe cancels no intent that is captured in part; a final capture closes it
			pi, err = p.releaseUncaptured(ctx, pi.ID)
		} else {
			pi, err = p.cancel(ctx, pi.ID, "")
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s does not end", payment.ErrProvider, pi.ID)
}

// cancel cancels an intent and returns its state, also if it was captured or cancelled meanwhile. Its idempotency key
// is random, because the intent's state makes a repetition harmless.
func (p *Provider) cancel(ctx context.Context, id string,
	reason stripe.PaymentIntentCancellationReason) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentCancelParams{}
	if reason != "" {
		params.CancellationReason = stripe.String(reason)
	}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Cancel(ctx, id, params)
	return p.stateAfter(ctx, id, pi, err)
}

// releaseUncaptured is cancel for an intent that is captured in part.
func (p *Provider) releaseUncaptured(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(0), FinalCapture: stripe.Bool(true)}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Capture(ctx, id, params)
	return p.stateAfter(ctx, id, pi, err)
}

// stateAfter returns the intent of an answer, or reads it if the call was refused because of the intent's state.
func (p *Provider) stateAfter(ctx context.Context, id string, pi *stripe.PaymentIntent,
	err error) (*stripe.PaymentIntent, error) {
	if e := stripeError(err); e != nil && e.Code == stripe.ErrorCodePaymentIntentUnexpectedState {
		return p.retrieve(ctx, id)
	}
	if err != nil {
		return nil, portError(ctx, err)
	}
	return pi, nil
}
