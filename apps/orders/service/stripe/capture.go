package stripe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// metaCapture begins the names of the metadata in which an intent keeps its captures: Stripe has no object
// for one. A name is 40 characters, the most that there may be; the value is the amount and the key. There
// is room for 49.
const metaCapture = "capture_"

func captureName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return metaCapture + hex.EncodeToString(sum[:16])
}

func captureValue(key string, amount int64) string { return fmt.Sprintf("%d %s", amount, key) }

// Capture implements payment.Provider.
func (p *Provider) Capture(ctx context.Context, key, authorisationID string, amount money.Money) (payment.Movement, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Movement{}, err
	}
	pi, err := p.find(ctx, authorisationID)
	if err != nil {
		return payment.Movement{}, err
	}
	for n := 1; n <= numbers; n++ {
		if value, done := pi.Metadata[captureName(key)]; done {
			return captured(pi, key, amount, value)
		}
		if err := capturable(pi, amount); err != nil {
			return payment.Movement{}, err
		}
		now, err := p.api.V1PaymentIntents.Capture(ctx, pi.ID, capture(pi, key, amount, n))
		if err == nil { // now or before: the idempotency key says that it was this one
			return captured(now, key, amount, captureValue(key, amount.Amount))
		}
		if pi, err = p.afterRefusal(ctx, key, pi.ID, err); err != nil {
			return payment.Movement{}, err
		}
		if _, done := pi.Metadata[captureName(key)]; !done && taken(pi) != pi.AmountReceived {
			return payment.Movement{}, fmt.Errorf("%w: %s has captures without a name, look at it", payment.ErrProvider, pi.ID)
		}
	}
	return payment.Movement{}, fmt.Errorf("%w: %s captures nothing in %d attempts", payment.ErrProvider, pi.ID, numbers)
}

func capture(pi *stripe.PaymentIntent, key string, amount money.Money, n int) *stripe.PaymentIntentCaptureParams {
	params := &stripe.PaymentIntentCaptureParams{
		AmountToCapture: &amount.Amount,
		Metadata:        map[string]string{captureName(key): captureValue(key, amount.Amount)},
	}
	if manifold(pi) {
		// Not even of the last part: which that is depends on the others, and a repetition must be the same.
		params.FinalCapture = stripe.Bool(false)
	}
	params.AddExpand(charge)
	params.SetIdempotencyKey(numbered("move", key, n))
	return params
}

// afterRefusal looks what became of a capture or refund that was refused: it gives the intent to decide by
// again, or the error if that is no use.
func (p *Provider) afterRefusal(ctx context.Context, key, id string, err error) (*stripe.PaymentIntent, error) {
	e := refusal(err)
	switch {
	case e == nil:
		return nil, failed(ctx, err)
	case reused(e):
		return nil, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	case e.Type == stripe.ErrorTypeCard: // the issuer's second thoughts
		return nil, &payment.Declined{Code: declineCode(e)}
	case stuck(e), e.HTTPStatusCode == http.StatusBadRequest:
		return p.retrieve(ctx, id)
	}
	return nil, failed(ctx, err)
}

// captured is a capture that an intent's metadata tells of.
func captured(pi *stripe.PaymentIntent, key string, amount money.Money, value string) (payment.Movement, error) {
	if value != captureValue(key, amount.Amount) || authorisation(pi).Amount.Currency != amount.Currency {
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return payment.Movement{
		ID:  pi.LatestCharge.ID + "/" + captureName(key),
		Key: key, AuthorisationID: pi.ID, Amount: amount,
	}, nil
}

// taken is the sum of the captures that an intent's metadata tells of.
func taken(pi *stripe.PaymentIntent) (sum int64) {
	for name, value := range pi.Metadata {
		if strings.HasPrefix(name, metaCapture) {
			var amount int64
			_, _ = fmt.Sscan(value, &amount)
			sum += amount
		}
	}
	return sum
}

// capturable says why an amount cannot be captured.
func capturable(pi *stripe.PaymentIntent, amount money.Money) error {
	a := authorisation(pi)
	left := a.Reserved()
	switch {
	case a.Status == "":
		return fmt.Errorf("%w: %q", payment.ErrNotFound, pi.ID) // no attempt has succeeded
	case a.Err() != nil:
		return a.Err()
	case amount.Currency != a.Amount.Currency:
		return fmt.Errorf("%w: %s of an authorisation in %s", payment.ErrInvalid, amount, a.Amount.Currency)
	case amount.Amount > left.Amount:
		return fmt.Errorf("%w: %s of %s", payment.ErrExceeds, amount, left)
	case amount != a.Amount && !manifold(pi):
		return fmt.Errorf("%w: %s of %s", payment.ErrWholeOnly, amount, a.Amount)
	}
	return nil
}

// manifold reports whether the card can be captured more than once.
func manifold(pi *stripe.PaymentIntent) bool {
	c := pi.LatestCharge
	return c != nil && c.PaymentMethodDetails != nil && c.PaymentMethodDetails.Card != nil &&
		c.PaymentMethodDetails.Card.Multicapture != nil &&
		c.PaymentMethodDetails.Card.Multicapture.Status == stripe.ChargePaymentMethodDetailsCardMulticaptureStatusAvailable
}
