package stripe

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// Void implements payment.Provider. Without an authorisation's id, and more than a day after the key's first
// use, it depends on Stripe's search.
func (p *Provider) Void(ctx context.Context, key string, amount money.Money, authorisationID string) (payment.Authorisation, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Authorisation{}, err
	}
	pi, err := p.toVoid(ctx, key, amount, authorisationID)
	var declined *payment.Declined
	if errors.As(err, &declined) {
		return unsupported(key, amount, declined.Code), nil // no attempt can succeed either
	}
	if err == nil {
		pi, err = p.end(ctx, pi)
	}
	if err != nil {
		return payment.Authorisation{}, err
	}
	return authorisation(pi), nil
}

// toVoid gives the intent in question, in its present state.
func (p *Provider) toVoid(ctx context.Context, key string, amount money.Money, id string) (*stripe.PaymentIntent, error) {
	if id == "" {
		pi, err := p.create(ctx, key, amount)
		switch {
		case err != nil:
			return nil, err
		case remembered(pi.LastResponse):
			return p.retrieve(ctx, pi.ID)
		}
		return p.earlier(ctx, key, pi)
	}
	pi, err := p.find(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case pi.Metadata[metaOrder] != key:
		return nil, fmt.Errorf("%w: %q under %s", payment.ErrNotFound, id, key)
	case authorisation(pi).Amount != amount:
		return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return pi, nil
}

// earlier gives the intent that an order's key had before Stripe forgot it, and made the one at hand, which
// is ended. Without an earlier one it gives that at hand.
func (p *Provider) earlier(ctx context.Context, key string, made *stripe.PaymentIntent) (*stripe.PaymentIntent, error) {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key)
	params := &stripe.PaymentIntentSearchParams{SearchParams: stripe.SearchParams{
		Query: fmt.Sprintf(`metadata["%s"]:"%s"`, metaOrder, quoted),
	}}
	params.AddExpand("data." + charge)
	found := made
	for pi, err := range p.api.V1PaymentIntents.Search(ctx, params).All(ctx) {
		switch {
		case err != nil:
			return nil, failed(ctx, err)
		case pi.ID == made.ID:
			continue
		}
		// End what is not answered with: normally there is nothing but the one at hand.
		if _, err := p.end(ctx, found); err != nil {
			return nil, err
		}
		found = pi
	}
	return found, nil
}

// end lets go of what an intent holds, and closes it.
func (p *Provider) end(ctx context.Context, pi *stripe.PaymentIntent) (*stripe.PaymentIntent, error) {
	for range numbers {
		if s := status(pi); s != "" && s != payment.Authorised {
			return pi, nil
		}
		var err error
		if pi.AmountReceived > 0 { // Stripe: a partially captured intent is not cancelled, but captured finally
			pi, err = p.release(ctx, pi.ID)
		} else {
			pi, err = p.cancel(ctx, pi.ID, "")
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s does not end", payment.ErrProvider, pi.ID)
}

// cancel gives the intent's state after the attempt, successful or not: it may have been captured, or
// cancelled, meanwhile. Its idempotency key is a random one, as the state is what keeps it from repeating.
func (p *Provider) cancel(ctx context.Context, id string, reason stripe.PaymentIntentCancellationReason) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentCancelParams{}
	if reason != "" {
		params.CancellationReason = stripe.String(reason)
	}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Cancel(ctx, id, params)
	return p.either(ctx, id, pi, err)
}

// release is cancel for what was captured in part.
func (p *Provider) release(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentCaptureParams{AmountToCapture: stripe.Int64(0), FinalCapture: stripe.Bool(true)}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Capture(ctx, id, params)
	return p.either(ctx, id, pi, err)
}

func (p *Provider) either(ctx context.Context, id string, pi *stripe.PaymentIntent, err error) (*stripe.PaymentIntent, error) {
	if e := refusal(err); e != nil && e.Code == stripe.ErrorCodePaymentIntentUnexpectedState {
		return p.retrieve(ctx, id)
	}
	if err != nil {
		return nil, failed(ctx, err)
	}
	return pi, nil
}
