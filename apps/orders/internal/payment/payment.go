// Package payment holds the port to a payment provider and its sandbox adapter. Every adapter passes the
// suite of paymenttest.
//
// Rules, each held by a test of its number in the suite:
//
//  1. One key, one authorisation: however often and from wherever it is asked for.
//  2. A key means one request: other particulars under it are refused.
//  3. A declined or voided key stays so. A key voided before anything arrived under it refuses what
//     arrives late.
//  4. 0 ≤ Refunded ≤ Captured ≤ Amount. What would break this is refused and changes nothing.
//  5. One key, one capture or refund: its repetition moves no money.
//  6. Void releases what is not captured, and leaves what is.
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
// Keys are 1 to 200 printable ASCII characters without "||". Every call needs a ctx with a deadline: a
// provider may stay silent. Besides its own errors each method returns
//   - ErrInvalid: a malformed key or amount, or not the authorisation's currency;
//   - ErrNoAnswer: ctx ended before an answer came;
//   - ErrProvider: a transient failure.
//
// After the last two, and any error not named here, the outcome is unknown: it may have happened, or may
// happen yet. Repeat the call with the same arguments to learn it, or Void the order's key. After any
// other error nothing has changed.
type Provider interface {
	// Authorise reserves a positive amount on the instrument behind token, under the order's key. The
	// error is nil exactly if the key holds an authorisation that is not voided, captured or not. The
	// same key again answers with what became of the first attempt: there is never a second one.
	//
	// Errors: *Declined (the answer has the authorisation all the same; final for this key); ErrVoided
	// (the key was voided, before or after an authorisation; the answer has the state); ErrKeyReused
	// (the key came before with another amount or token).
	//
	// A provider may forget a key KeyLife after its first use, and with it what became of it. Void what
	// is older instead.
	Authorise(ctx context.Context, key string, amount money.Money, token string) (Authorisation, error)

	// Capture takes a positive part of an authorisation, in its currency. key is the capture's own, used
	// for no other capture or refund; a repetition answers with the first capture, even when the rest
	// has been voided since. After a refusal take a new key.
	//
	// Errors: ErrNotFound (no such authorisation); *Declined, ErrVoided (its status); ErrExceeds (more
	// than is left of it); ErrWholeOnly (less than the whole, of a card that is captured once: the rest
	// would be lost); ErrKeyReused (the key came before with another amount, or for a refund).
	Capture(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error)

	// Void releases what is authorised and not captured under the order's key, for good. Afterwards
	// nothing is reserved, and nothing can be authorised or captured under the key. Idempotent. The
	// answer is what is left: Captured may be more than zero, and then is for Refund. A declined or
	// wholly captured authorisation stays as it is, without error. A key under which nothing was
	// authorised is marked Voided, so that an attempt still on its way is refused.
	//
	// amount is what was, or would have been, authorised: a provider may have to repeat the attempt to
	// learn of it, or to close the key against it. authorisationID is the ID that Authorise answered;
	// empty if it never did.
	//
	// Errors: ErrKeyReused (the key came with another amount); ErrNotFound (no such authorisation under
	// this key).
	Void(ctx context.Context, key string, amount money.Money, authorisationID string) (Authorisation, error)

	// Refund gives back a positive part of what was captured, in its currency, voided rest or not. key
	// is as for Capture.
	//
	// Errors: ErrNotFound; ErrExceeds (more than was captured and not yet refunded); ErrKeyReused.
	Refund(ctx context.Context, key, authorisationID string, amount money.Money) (Movement, error)
}

// KeyLife is how long at least a provider knows an order's key: Stripe's 24 hours, less an hour for
// clocks that differ.
const KeyLife = 23 * time.Hour

// Status is what became of an authorisation.
type Status string

// The statuses. Refunds do not change it.
const (
	Authorised Status = "authorized" // some of it can be captured
	Captured   Status = "captured"   // all of it is captured
	Voided     Status = "voided"     // the rest is released, by Void or by expiry; Captured says what was taken before
	Refused    Status = "declined"   // see DeclineCode
)

// Authorisation is what a provider knows under an order's key.
type Authorisation struct {
	ID          string // the provider's name for it; empty when there never was one
	Key         string // the order's
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

// Err is the error that the status stands for: nil, *Declined or ErrVoided.
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
	ID              string // the provider's name for it
	Key             string // its own
	AuthorisationID string
	Amount          money.Money
}

// Declined is the provider's no to a payment. Retrieve it with errors.As.
type Declined struct{ Code string }

// Decline codes. A provider may know more.
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

// maxKey leaves room for an adapter's prefix below Stripe's limit of 255 characters.
const maxKey = 200

// CheckKey returns ErrInvalid for what is no key.
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

// CheckAmount returns ErrInvalid for what is no amount to move.
func CheckAmount(m money.Money) error {
	if m.Amount <= 0 || !money.Known(m.Currency) {
		return fmt.Errorf("%w: %s", ErrInvalid, m)
	}
	return nil
}
