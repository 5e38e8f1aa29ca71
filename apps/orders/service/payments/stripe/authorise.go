package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/payments/stripe/intent"
	"haberdash/internal/money"
)

// Authorise implements payment.Provider. A token that begins with pm_ is a payment method. A payment for which the
// buyer would have to be present is declined as authentication_required, an amount that Stripe does not accept as
// amount_too_small or amount_too_large.
func (p *Provider) Authorise(ctx context.Context, key string, amount money.Money,
	token string) (payment.Authorisation, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Authorisation{}, err
	}
	pi, err := p.create(ctx, key, amount)
	if err == nil {
		pi, err = p.confirm(ctx, key, pi.ID, token)
	}
	var declined *payment.Declined
	switch {
	case errors.As(err, &declined):
		return declinedWithoutIntent(key, amount, declined.Code), err
	case err != nil:
		return payment.Authorisation{}, err
	}
	a := intent.Authorisation(pi)
	return a, a.Err()
}

// declinedWithoutIntent is the authorisation of an amount for which Stripe creates no intent.
func declinedWithoutIntent(key string, amount money.Money, code string) payment.Authorisation {
	none := money.New(0, amount.Currency)
	return payment.Authorisation{Key: key, Amount: amount, Captured: none, Refunded: none, Status: payment.Refused,
		DeclineCode: code}
}

// confirm requests the money once, and returns the intent in its present, decided state. It requests multicapture if
// the account has it: Stripe refuses a confirmation that requests it for an account without.
func (p *Provider) confirm(ctx context.Context, key, id, token string) (*stripe.PaymentIntent, error) {
	if !p.noMulticapture.Load() {
		pi, err := p.confirmAs(ctx, "confirm", key, id, token)
		e := stripeError(err)
		if e == nil || !multicaptureRefused(e) {
			return pi, err
		}
		if strings.Contains(e.Msg, "not eligible") { // only the text distinguishes this reason from others
			p.noMulticapture.Store(true)
		}
	}
	return p.confirmAs(ctx, confirmSingle, key, id, token)
}

// confirmSingle is a confirmation without multicapture.
const confirmSingle = "confirm-single"

func (p *Provider) confirmAs(ctx context.Context, call, key, id, token string) (*stripe.PaymentIntent, error) {
	for n := 1; n <= maxAttempts; n++ {
		pi, err := p.api.V1PaymentIntents.Confirm(ctx, id, confirmation(call, key, token, n))
		e := stripeError(err)
		switch {
		case err == nil && !repeated(pi.LastResponse) && intent.Status(pi) != "":
			return pi, nil
		case err == nil: // the answer is an old one
		case e == nil:
			return nil, portError(ctx, err)
		case keyReused(e):
			return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		case tokenRefused(e):
			return p.cancel(ctx, id, intent.Abandoned)
		case e.Type != stripe.ErrorTypeCard && e.Code != stripe.ErrorCodePaymentIntentUnexpectedState && !errorRepeats(e):
			return nil, portError(ctx, err)
		}
		if pi, err = p.retrieve(ctx, id); err != nil || intent.Status(pi) != "" {
			return pi, err
		}
		if e == nil || !errorRepeats(e) {
			break
		}
	}
	return nil, fmt.Errorf("%w: %s is still undecided", payment.ErrProvider, id)
}

// multicaptureRefused reports whether a confirmation may have been refused because it requested multicapture.
func multicaptureRefused(e *stripe.Error) bool {
	return e.HTTPStatusCode == http.StatusBadRequest && e.Code == stripe.ErrorCodePaymentIntentInvalidParameter
}

// tokenRefused reports whether the token or payment method does not exist, or was used before.
func tokenRefused(e *stripe.Error) bool {
	return e.Code == stripe.ErrorCodeResourceMissing && e.Param != "intent" ||
		e.Code == stripe.ErrorCodeTokenAlreadyUsed ||
		e.HTTPStatusCode == http.StatusBadRequest &&
			(e.Param == "payment_method" || strings.HasPrefix(e.Param, "payment_method_data"))
}

func confirmation(call, key, token string, n int) *stripe.PaymentIntentConfirmParams {
	params := &stripe.PaymentIntentConfirmParams{
		ErrorOnRequiresAction: stripe.Bool(true), // the buyer is not there to answer a question of the bank
	}
	if call != confirmSingle {
		params.PaymentMethodOptions = &stripe.PaymentIntentPaymentMethodOptionsParams{
			Card: &stripe.PaymentIntentPaymentMethodOptionsCardParams{RequestMulticapture: stripe.String("if_available")},
		}
	}
	if strings.HasPrefix(token, "pm_") {
		params.PaymentMethod = &token
	} else {
		params.PaymentMethodData = &stripe.PaymentIntentPaymentMethodDataParams{Type: stripe.String("card")}
		params.AddExtra("payment_method_data[card][token]", token) // the library has no field for it
	}
	params.AddExpand(charge)
	params.SetIdempotencyKey(numbered(call, key, n))
	return params
}
