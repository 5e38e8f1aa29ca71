// Package secondfactor verifies second factors: codes of authenticator apps (TOTP), passkeys (Web Authentication) and
// recovery codes. A sign-in has two steps: Challenge after the password, and Verify. So has an enrolment: Begin and
// Confirm. Between the steps the client keeps a sealed ticket.
package secondfactor

import (
	"context"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Config are the settings of second factors.
type Config struct {
	// Whether staff and administrators have their roles only in sessions with a second factor.
	Required Requirement `env:"SECOND_FACTOR" envDefault:"optional"`
	// The address of the shop, for whose host passkeys are valid.
	Shop string `env:"SHOP_URL"`
	// Further origins below the same host whose pages use passkeys, such as https://admin.shop.example.
	Origins []string `env:"WEBAUTHN_ORIGINS"`
}

// Requirement is whether staff and administrators need a second factor.
type Requirement bool

// UnmarshalText accepts the texts optional and staff.
func (r *Requirement) UnmarshalText(text []byte) error {
	switch string(text) {
	case "optional":
		*r = false
	case "staff":
		*r = true
	default:
		return errors.New("must be optional or staff")
	}
	return nil
}

// String returns optional or staff.
func (r Requirement) String() string {
	if r {
		return "staff"
	}
	return "optional"
}

// MarshalText returns optional or staff.
func (r Requirement) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Verifier verifies second factors. It is safe for concurrent use.
type Verifier struct {
	Config
	Store *store.Store
	Trail *trail.Trail
	Vault *factor.Vault
	Now   func() time.Time
	NewID func() string

	relyingParty *webauthn.WebAuthn
}

// New completes a verifier. Error: the addresses of the configuration are not valid.
func New(v Verifier) (*Verifier, error) {
	relyingParty, err := newRelyingParty(v.Shop, v.Origins)
	v.relyingParty = relyingParty
	return &v, err
}

// errTicket is the error for a ticket that is not valid: invalid-challenge (401).
var errTicket = fault.New(fault.Unauthenticated, "invalid-challenge",
	"This sign-in is not valid any more. Sign in with the password again.")

// ErrProof is the error for a wrong second factor: invalid-second-factor (401).
var ErrProof = fault.New(fault.Unauthenticated, "invalid-second-factor",
	"The second factor is wrong, or was used before. Try again.")

// Challenge returns the error for an account that must prove a second factor after the password:
// second-factor-required (401).
func (v *Verifier) Challenge(a *account.Account) error {
	t := factor.Ticket{ID: v.NewID(), Purpose: factor.SignIn, UserID: a.ID(), Epoch: a.Epoch(),
		ExpiresAt: v.Now().Add(factor.TicketLife)}
	required := fault.New(fault.Unauthenticated, "second-factor-required",
		"Prove a second factor to complete the sign-in.").With("methods", a.Factors().Methods())
	if len(a.Factors().Of(factor.Passkey)) > 0 {
		options, state, err := v.beginAssertion(a)
		if err != nil {
			return err
		}
		t.Data = state
		required = required.With("passkeyOptions", options)
	}
	challenge, err := v.Vault.Issue(t)
	if err != nil {
		return err
	}
	return required.With("challenge", challenge).With("expiresIn", int(factor.TicketLife.Seconds()))
}

// Proof is a second factor that a client proves. Exactly one member is set.
type Proof struct {
	Code         string
	RecoveryCode string
	Passkey      map[string]any
}

// Verify completes the sign-in of a challenge, which is valid once. It returns the account and the kind of factor that
// was proven. Errors: invalid-challenge, invalid-second-factor (401); too-many-attempts (429).
func (v *Verifier) Verify(ctx context.Context, challenge string, p Proof) (*account.Account, string, error) {
	t, ok := v.Vault.Read(challenge, factor.SignIn, v.Now())
	if !ok {
		return nil, "", errTicket
	}
	a, err := v.Store.Account(ctx, t.UserID)
	if err != nil {
		return nil, "", err
	}
	if a == nil || a.Deleted() || a.Epoch() != t.Epoch || !a.Factors().Any() {
		return nil, "", errTicket
	}
	if err := v.countAttempt(ctx, a.ID()); err != nil {
		return nil, "", err
	}
	kind, err := v.prove(ctx, a, t, p)
	if err != nil {
		return nil, "", err
	}
	if first, err := v.Store.UseOnce(ctx, store.UsedTicket, t.ID, v.NewID(), factor.TicketLife); err != nil || !first {
		return nil, "", errors.Join(err, errTicket)
	}
	return a, kind, v.Store.ForgetAttempts(ctx, store.SecondFactor, a.ID())
}

// countAttempt counts an attempt before it is made: so concurrent guesses on several replicas are all counted, and a
// client that disconnects gets no free one. Error: too-many-attempts (429).
func (v *Verifier) countAttempt(ctx context.Context, user string) error {
	wait, err := v.Store.Attempt(ctx, store.SecondFactor, user, attempts.SecondFactor, v.Now())
	if err != nil || wait == 0 {
		return err
	}
	// Somebody who guesses has the password. One record in the longest wait is enough.
	first, err := v.Store.UseOnce(ctx, store.UsedTicket, "throttled "+user, v.NewID(), attempts.SecondFactor.Cap)
	if err == nil && first {
		err = v.Trail.Add(ctx, trail.SecondFactorThrottled, trail.Unsigned(user))
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str(field.User, user).Msg("throttled second factor not recorded")
	}
	return fault.New(fault.TooMany, "too-many-attempts", "Too many attempts. Wait before you try again.").After(wait)
}

// prove checks the proof, and marks what must not be used again. It returns the kind of factor. Error:
// invalid-second-factor (401).
func (v *Verifier) prove(ctx context.Context, a *account.Account, t factor.Ticket, p Proof) (string, error) {
	switch {
	case p.Code != "":
		return factor.TOTP, v.proveCode(ctx, a, p.Code)
	case p.RecoveryCode != "":
		return factor.Recovery, v.useRecoveryCode(ctx, a.ID(), p.RecoveryCode)
	case t.Data == nil:
		return "", ErrProof
	}
	id, data, err := v.finishAssertion(a, t.Data, p.Passkey)
	if errors.Is(err, errNotProven) {
		return "", ErrProof.Because(err)
	}
	if err != nil {
		return "", err
	}
	return factor.Passkey, v.savePasskey(ctx, a, id, data)
}

// proveCode checks the code with each authenticator app of the account. A code is accepted once.
func (v *Verifier) proveCode(ctx context.Context, a *account.Account, code string) error {
	for _, f := range a.Factors().Of(factor.TOTP) {
		secret, err := v.Vault.Open(a.ID(), f)
		if err != nil {
			return err
		}
		ok, err := v.useCode(ctx, f.ID, string(secret), code)
		if err != nil || ok {
			return err
		}
	}
	return ErrProof
}

// useCode checks the code of an authenticator app, and reports whether it is right and used for the first time.
func (v *Verifier) useCode(ctx context.Context, id, secret, code string) (bool, error) {
	step, ok, err := matchCode(secret, code, v.Now())
	if err != nil || !ok {
		return false, err
	}
	return v.Store.UseOnce(ctx, store.UsedCode, id+" "+step, v.NewID(), factor.StepLife)
}

// useRecoveryCode removes a recovery code from the account. Of concurrent requests with one code, one succeeds.
func (v *Verifier) useRecoveryCode(ctx context.Context, user, code string) error {
	digest := v.Vault.Digest(user, code)
	_, err := v.Store.ChangeAccount(ctx, user, func(a *account.Account) error {
		return a.ChangeFactors(func(s *factor.Set) error {
			if !s.UseCode(digest) {
				return ErrProof
			}
			return nil
		})
	})
	if err != nil {
		return store.IfNoAccount(err, errTicket)
	}
	return v.Trail.Add(ctx, trail.RecoveryCodeUsed, trail.Unsigned(user))
}

// savePasskey stores the counter of a passkey. It does nothing for a passkey without a counter. Of concurrent requests
// with one counter, one succeeds. Error: invalid-second-factor (401) if another request was faster.
func (v *Verifier) savePasskey(ctx context.Context, read *account.Account, id string, data []byte) error {
	before, _ := read.Factors().Get(id)
	if opened, err := v.Vault.Open(read.ID(), before); err != nil || string(opened) == string(data) {
		return err
	}
	sealed := v.Vault.Seal(read.ID(), id, data)
	_, err := v.Store.ChangeAccount(ctx, read.ID(), func(a *account.Account) error {
		return a.ChangeFactors(func(s *factor.Set) error {
			if now, _ := s.Get(id); string(now.Sealed) != string(before.Sealed) {
				return ErrProof
			}
			return s.Reseal(id, sealed)
		})
	})
	return store.IfNoAccount(err, errTicket)
}

// Event types of the trail for which the owner gets a mail.
const (
	Added   = contract.UserSecondFactorAdded
	Removed = contract.UserSecondFactorRemoved
)
