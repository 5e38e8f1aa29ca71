package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// numbers is how many idempotency keys of a call are tried before it counts as failed. Each further one
// takes an internal error of Stripe's that it remembers.
const numbers = 10

// abandoned is the reason with which an intent is cancelled whose token does not exist: Stripe keeps no
// other trace of that.
const abandoned = stripe.PaymentIntentCancellationReasonAbandoned

// Authorise implements payment.Provider. A token that begins with pm_ is a payment method. A payment that
// would need the buyer's presence is declined as authentication_required, an amount that Stripe does not
// take as amount_too_small or amount_too_large.
func (p *Provider) Authorise(ctx context.Context, key string, amount money.Money, token string) (payment.Authorisation, error) {
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
		return unsupported(key, amount, declined.Code), err
	case err != nil:
		return payment.Authorisation{}, err
	}
	a := authorisation(pi)
	return a, a.Err()
}

// unsupported is the authorisation of an amount that Stripe makes no intent for.
func unsupported(key string, amount money.Money, code string) payment.Authorisation {
	none := money.New(0, amount.Currency)
	return payment.Authorisation{Key: key, Amount: amount, Captured: none, Refunded: none, Status: payment.Refused, DeclineCode: code}
}

// create gives the one intent of an order's key, as it was when it was made. Its parameters must follow from
// the key and the amount alone, for Void makes it too.
func (p *Provider) create(ctx context.Context, key string, amount money.Money) (*stripe.PaymentIntent, error) {
	for n := 1; n <= numbers; n++ {
		params := &stripe.PaymentIntentCreateParams{
			Amount: &amount.Amount, Currency: stripe.String(strings.ToLower(amount.Currency)),
			CaptureMethod:      stripe.String(stripe.PaymentIntentCaptureMethodManual),
			PaymentMethodTypes: stripe.StringSlice([]string{"card"}),
			Metadata:           map[string]string{metaOrder: key},
		}
		params.SetIdempotencyKey(numbered("create", key, n))
		pi, err := p.api.V1PaymentIntents.Create(ctx, params)
		switch e := refusal(err); {
		case err == nil:
			return pi, nil
		case e != nil && reused(e):
			return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		case e != nil && e.Type == stripe.ErrorTypeInvalidRequest && e.Param == "amount":
			return nil, &payment.Declined{Code: string(e.Code)}
		case e == nil || !stuck(e):
			return nil, failed(ctx, err)
		}
	}
	return nil, fmt.Errorf("%w: no intent for %s in %d attempts", payment.ErrProvider, key, numbers)
}

// confirm asks for the money, once, and gives the intent's present state. It is decided. Multicapture is
// asked for where the account has it: Stripe refuses a confirmation that asks for what the account has not.
func (p *Provider) confirm(ctx context.Context, key, id, token string) (*stripe.PaymentIntent, error) {
	if !p.single.Load() {
		pi, err := p.confirmAs("confirm", ctx, key, id, token)
		e := refusal(err)
		if e == nil || !ineligible(e) {
			return pi, err
		}
		if strings.Contains(e.Msg, "not eligible") { // nothing but the text tells this from other reasons
			p.single.Store(true)
		}
	}
	return p.confirmAs(single, ctx, key, id, token)
}

// single is a confirmation without multicapture.
const single = "confirm-single"

func (p *Provider) confirmAs(call string, ctx context.Context, key, id, token string) (*stripe.PaymentIntent, error) {
	for n := 1; n <= numbers; n++ {
		pi, err := p.api.V1PaymentIntents.Confirm(ctx, id, confirmation(call, key, token, n))
		e := refusal(err)
		switch {
		case err == nil && !remembered(pi.LastResponse) && status(pi) != "":
			return pi, nil
		case err == nil: // look again
		case e == nil:
			return nil, failed(ctx, err)
		case reused(e):
			return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		case unusable(e):
			return p.cancel(ctx, id, abandoned)
		case e.Type != stripe.ErrorTypeCard && e.Code != stripe.ErrorCodePaymentIntentUnexpectedState && !stuck(e):
			return nil, failed(ctx, err)
		}
		if pi, err = p.retrieve(ctx, id); err != nil || status(pi) != "" {
			return pi, err
		}
		if e == nil || !stuck(e) {
			break
		}
	}
	return nil, fmt.Errorf("%w: %s is still undecided", payment.ErrProvider, id)
}

// ineligible reports whether a confirmation may have been refused for asking for multicapture.
func ineligible(e *stripe.Error) bool {
	return e.HTTPStatusCode == http.StatusBadRequest && e.Code == stripe.ErrorCodePaymentIntentInvalidParameter
}

// unusable reports whether there is no such token or payment method, or it was used up.
func unusable(e *stripe.Error) bool {
	return e.Code == stripe.ErrorCodeResourceMissing && e.Param != "intent" ||
		e.Code == stripe.ErrorCodeTokenAlreadyUsed ||
		e.HTTPStatusCode == http.StatusBadRequest && (e.Param == "payment_method" || strings.HasPrefix(e.Param, "payment_method_data"))
}

func confirmation(call, key, token string, n int) *stripe.PaymentIntentConfirmParams {
	params := &stripe.PaymentIntentConfirmParams{
		// Nobody is there to answer a bank's question.
		ErrorOnRequiresAction: stripe.Bool(true),
	}
	if call != single {
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

// numbered is the idempotency key of the nth attempt at a call: within Stripe's 255 characters, and another
// for every other call, key and number.
func numbered(call, key string, n int) string { return fmt.Sprintf("%s/%s/%d", call, key, n) }
