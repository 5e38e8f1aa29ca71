package intent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// metaCapture begins the names of the metadata that notes captures, because Stripe has no object for a capture. A name
// is 40 characters long, Stripe's maximum; the value is the amount and the key. An intent has room for 49 captures.
const metaCapture = "capture_"

func captureName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return metaCapture + hex.EncodeToString(sum[:16])
}

// CaptureMetadata notes a capture, when it is sent with the capture.
func CaptureMetadata(key string, amount money.Money) map[string]string {
	return map[string]string{captureName(key): captureValue(key, amount)}
}

func captureValue(key string, amount money.Money) string {
	return fmt.Sprintf("%d %s", amount.Amount, key)
}

// HasCapture reports whether the intent's metadata notes a capture with the key.
func HasCapture(pi *stripe.PaymentIntent, key string) bool {
	_, noted := pi.Metadata[captureName(key)]
	return noted
}

// Capture is a capture that the intent's metadata notes. Error: payment.ErrKeyReused, if it notes another amount.
func Capture(pi *stripe.PaymentIntent, key string, amount money.Money) (payment.Movement, error) {
	if pi.Metadata[captureName(key)] != captureValue(key, amount) {
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return MadeCapture(pi, key, amount)
}

// MadeCapture is a capture that Stripe has made just now, or before under the same idempotency key. Error:
// payment.ErrKeyReused, if the intent has another currency.
func MadeCapture(pi *stripe.PaymentIntent, key string, amount money.Money) (payment.Movement, error) {
	if Authorisation(pi).Amount.Currency != amount.Currency {
		return payment.Movement{}, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
	}
	return payment.Movement{
		ID:  pi.LatestCharge.ID + "/" + captureName(key),
		Key: key, AuthorisationID: pi.ID, Amount: amount,
	}, nil
}

// NotedCaptures sums the captures that the intent's metadata notes.
func NotedCaptures(pi *stripe.PaymentIntent) (sum int64) {
	for name, value := range pi.Metadata {
		if strings.HasPrefix(name, metaCapture) {
			var amount int64
			_, _ = fmt.Sscan(value, &amount)
			sum += amount
		}
	}
	return sum
}

// CheckCapture returns why an amount cannot be captured.
func CheckCapture(pi *stripe.PaymentIntent, amount money.Money) error {
	a := Authorisation(pi)
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
	case amount != a.Amount && !Multicapture(pi):
		return fmt.Errorf("%w: %s of %s", payment.ErrWholeOnly, amount, a.Amount)
	}
	return nil
}

// CheckRefund returns why an amount cannot be refunded.
func CheckRefund(pi *stripe.PaymentIntent, amount money.Money) error {
	a := Authorisation(pi)
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

// Multicapture reports whether the card can be captured more than once.
func Multicapture(pi *stripe.PaymentIntent) bool {
	c := pi.LatestCharge
	return c != nil && c.PaymentMethodDetails != nil && c.PaymentMethodDetails.Card != nil &&
		c.PaymentMethodDetails.Card.Multicapture != nil &&
		c.PaymentMethodDetails.Card.Multicapture.Status == stripe.ChargePaymentMethodDetailsCardMulticaptureStatusAvailable
}
