// Package payment is the port to a payment provider. The adapters are below service/payments; each passes the suite of
// paymenttest.
//
// Rules, each with a test of its number in the suite:
//
//  1. One key is one authorisation, however often and from wherever it is requested.
//  2. A key stands for one request. The key with another amount or token is refused.
//  3. A declined or voided key stays declined or voided. A key that was voided before any attempt arrived refuses the
//     attempts that arrive later.
//  4. 0 ≤ Refunded ≤ Captured ≤ Amount. A request that would break this is refused and changes nothing.
//  5. One key is one capture or refund. A repetition moves no money.
//  6. Void releases what is not captured, and keeps what is captured.
package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/money"
)

// Provider moves customers' money.
//
// Keys are 1 to 200 printable ASCII characters without "||". Every call needs a ctx with a deadline, because a
// provider may not answer. Besides its own errors each method returns
//   - ErrInvalid: a malformed key or amount, or another currency than the authorisation's;
//   - ErrNoAnswer: ctx ended before an answer came;
//   - ErrProvider: a transient failure.
//
// After the last two, and after any error that is not named here, the outcome is unknown: the money may have moved, or
// may still move. Repeat the call with the same arguments to learn the outcome, or void the order's key. After any
// other error nothing has changed.
type Provider interface {
	// Authorise reserves a positive amount on the instrument behind token, under the order's key. It returns no error
	// only if the key has an authorisation that is not voided, captured or not. The same key again never makes a second
	// authorisation; it returns the present state of the first.
	//
	// Errors: *Declined (final for this key; the authorisation is returned too); ErrVoided (the key was voided, before
	// or after an authorisation; the state is returned too); ErrKeyReused (the key was used with another amount or
	// token).
	//
	// A provider may forget a key and what became of it, but not before KeyLife after its first use. Void an older key
	// instead.
	Authorise(ctx context.Context, key string, amount money.Money, token string) (Authorisation, error)

	// Capture takes a positive part of an authorisation, in its currency. The key belongs to this capture alone. A
	// repetition returns the first capture, even if the rest was voided since. After a refusal use a new key.
	//
	// Errors: ErrNotFound (no such authorisation); *Declined, ErrVoided (its status); ErrExceeds (more than is left of
	// it); ErrWholeOnly (less than the whole, of a card that can be captured only once: the rest would be lost);
	// ErrKeyReused (the key was used with another amount, or for a refund).
	Capture(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error)

	// Void releases what is authorised and not captured under the order's key. Afterwards nothing is reserved, and
	// nothing can ever be authorised or captured under the key. A repetition changes nothing. It returns what is left:
	// Captured may be more than zero, and can be refunded. A declined or wholly captured authorisation stays as it is,
	// without an error. A key without an authorisation is marked Voided, so that an attempt in progress is refused.
	//
	// amount is what was, or would have been, authorised: a provider may have to repeat the attempt to learn about it, or
	// to close the key. authorisationID is the ID that Authorise returned, or empty.
	//
	// Errors: ErrKeyReused (the key was used with another amount); ErrNotFound (no such authorisation under this key).
	Void(ctx context.Context, key string, amount money.Money, authorisationID string) (Authorisation, error)

	// Refund gives back a positive part of what was captured, in its currency, whether or not the rest was voided. The
	// key is as for Capture.
	//
	// Errors: ErrNotFound; ErrExceeds (more than is captured and not refunded); ErrKeyReused.
	Refund(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error)
}

// KeyLife is how long a provider remembers an order's key at least: Stripe's 24 hours, minus an hour for clocks that
// differ.
const KeyLife = 23 * time.Hour

// Status of an authorisation.
type Status string

// The statuses. Refunds do not change it.
const (
	Authorised Status = "authorized" // some of it can be captured
	Captured   Status = "captured"   // all of it is captured
	Voided     Status = "voided"     // the rest is released, by Void or by expiry; Captured is what was captured before
	Refused    Status = "declined"   // see DeclineCode
)

// Authorisation is the state of an order's key.
type Authorisation struct {
	ID          string // the provider's id; empty if nothing was ever authorised
	Key         string // the order's key
	Amount      money.Money
	Captured    money.Money
	Refunded    money.Money
	Status      Status
	DeclineCode string    // with Refused only
	At          time.Time // of the decision, UTC
}

// Reserved is what can still be captured.
func (a Authorisation) Reserved() money.Money {
	if a.Status != Authorised {
		return money.New(0, a.Amount.Currency)
	}
	return money.New(a.Amount.Amount-a.Captured.Amount, a.Amount.Currency)
}

// Err is the error of the status: nil, *Declined or ErrVoided.
func (a Authorisation) Err() error {
	switch a.Status {
	case Refused:
		return &Declined{Code: a.DeclineCode}
	case Voided:
		return ErrVoided
	}
	return nil
}

// Movement is a capture or a refund.
type Movement struct {
	ID              string // the provider's id
	Key             string // of this movement
	AuthorisationID string
	Amount          money.Money
}

// Declined is the error of a payment that the provider declines. Find it with errors.As.
type Declined struct{ Code string }

// Decline codes. A provider may have more.
const (
	CardDeclined      = "card_declined"
	InsufficientFunds = "insufficient_funds"
	InvalidToken      = "invalid_token"
)

// Error implements error.
func (d *Declined) Error() string { return "payment: declined: " + d.Code }

// Errors of the port; compare with errors.Is.
var (
	ErrNoAnswer  = errors.New("payment: the provider gave no answer")
	ErrProvider  = errors.New("payment: the provider failed")
	ErrInvalid   = errors.New("payment: invalid key or amount")
	ErrKeyReused = errors.New("payment: the key was used for another request")
	ErrVoided    = errors.New("payment: voided")
	ErrNotFound  = errors.New("payment: no such authorisation")
	ErrExceeds   = errors.New("payment: more than is left")
	ErrWholeOnly = errors.New("payment: can be captured only once, and wholly")
)

// maxKey is the greatest length of a key. With an adapter's prefix it stays below Stripe's limit of 255 characters.
const maxKey = 200

// CheckKey returns ErrInvalid for a malformed key: see Provider.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("%w: a key of %d bytes", ErrInvalid, len(key))
	}
	for i := range len(key) {
		if c := key[i]; c < ' ' || c > '~' || (c == '|' && i > 0 && key[i-1] == '|') {
			return fmt.Errorf("%w: key %q", ErrInvalid, key)
		}
	}
	return nil
}

// CheckAmount returns ErrInvalid for an amount that is not positive, or of an unknown currency.
func CheckAmount(m money.Money) error {
	if m.Amount <= 0 || !money.Known(m.Currency) {
		return fmt.Errorf("%w: %s", ErrInvalid, m)
	}
	return nil
}
