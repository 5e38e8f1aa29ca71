package secondfactor

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
)

// errEnrolment is the error for an enrolment that is not valid: invalid-enrolment (422).
var errEnrolment = fault.New(fault.Invalid, "invalid-enrolment",
	"This enrolment is not valid any more. Begin again.").WithField("enrolment", "is not valid any more")

// BeginTOTP begins the enrolment of an authenticator app: it returns the ticket, the secret for the app, and the same
// as an otpauth URI for a QR code.
func (v *Verifier) BeginTOTP(a *account.Account, session string) (ticket, secret, uri string, err error) {
	if secret, uri, err = newSecret(a.Snapshot().Email); err != nil {
		return "", "", "", err
	}
	ticket, err = v.begin(a, session, factor.EnrolTOTP, []byte(secret))
	return ticket, secret, uri, err
}

// BeginPasskey begins the enrolment of a passkey: it returns the ticket, and the options for the browser.
func (v *Verifier) BeginPasskey(a *account.Account, session string) (ticket string, o Options, err error) {
	o, state, err := v.beginCreation(a)
	if err != nil {
		return "", nil, err
	}
	ticket, err = v.begin(a, session, factor.EnrolPasskey, state)
	return ticket, o, err
}

func (v *Verifier) begin(a *account.Account, session, purpose string, data []byte) (string, error) {
	return v.Vault.Issue(factor.Ticket{ID: v.NewID(), Purpose: purpose, UserID: a.ID(), Session: session,
		Epoch: a.Epoch(), Data: data, ExpiresAt: v.Now().Add(factor.EnrolmentLife)})
}

// Enrolment is a factor that its owner has shown to work. The same ticket yields the same factor id and recovery codes,
// so that a repeated request is answered like the first one.
type Enrolment struct {
	Factor factor.Factor
	Codes  []string // that the account gets if this is its first factor
	Known  bool     // the account has the factor already: the request is repeated
}

// FinishTOTP checks that an authenticator app shows the code of the secret of the ticket. Errors: invalid-enrolment,
// invalid-second-factor (422).
func (v *Verifier) FinishTOTP(ctx context.Context, a *account.Account, session, ticket, name, code string) (Enrolment,
	error) {
	e, t, err := v.enrolment(ctx, a, session, ticket, factor.EnrolTOTP, name)
	if err != nil || e.Known {
		return e, err
	}
	// The client knows the secret, so there is nothing to guess. But the code must not sign in afterwards.
	ok, err := v.useCode(ctx, t.ID, string(t.Data), code)
	if err == nil && !ok {
		err = wrong("code")
	}
	return v.sealed(a, e, factor.TOTP, t.Data), err
}

// FinishPasskey checks the passkey that a browser has created for the ticket. Errors: invalid-enrolment,
// invalid-second-factor (422).
func (v *Verifier) FinishPasskey(ctx context.Context, a *account.Account, session, ticket, name string,
	created map[string]any) (Enrolment, error) {
	e, t, err := v.enrolment(ctx, a, session, ticket, factor.EnrolPasskey, name)
	if err != nil || e.Known {
		return e, err
	}
	data, err := v.finishCreation(a, t.Data, created)
	if errors.Is(err, errNotProven) {
		err = wrong("passkey").Because(err)
	}
	return v.sealed(a, e, factor.Passkey, data), err
}

// wrong is the error for an enrolment whose proof is wrong: invalid-second-factor (422). It is not 401, because the
// access token is valid.
func wrong(field string) *fault.Error {
	return fault.New(fault.Invalid, ErrProof.Type, "The second factor does not match this enrolment.").
		WithField(field, "is wrong, or was used before")
}

func (v *Verifier) enrolment(ctx context.Context, a *account.Account, session, ticket, purpose,
	name string) (e Enrolment, t factor.Ticket, err error) {
	t, ok := v.Vault.Read(ticket, purpose, v.Now())
	if !ok || t.UserID != a.ID() || t.Session != session || t.Epoch != a.Epoch() {
		return e, t, errEnrolment
	}
	e.Codes = v.Vault.FirstCodes(a.ID(), t.ID)
	if e.Factor, e.Known = a.Factors().Get(t.ID); e.Known {
		return e, t, nil
	}
	if err := a.Factors().CheckRoom(); err != nil {
		return e, t, err
	}
	removed, err := v.Store.Used(ctx, store.UsedTicket, t.ID) // see Forget
	if err != nil {
		return e, t, err
	}
	if removed {
		return e, t, errEnrolment
	}
	e.Factor = factor.Factor{ID: t.ID, Name: name, CreatedAt: v.Now().UTC()}
	return e, t, nil
}

func (v *Verifier) sealed(a *account.Account, e Enrolment, kind string, data []byte) Enrolment {
	e.Factor.Kind, e.Factor.Sealed = kind, v.Vault.Seal(a.ID(), e.Factor.ID, data)
	return e
}

// Forget makes the ticket of a factor void before the factor is removed, so that a repeated enrolment does not add it
// again.
func (v *Verifier) Forget(ctx context.Context, id string) error {
	_, err := v.Store.UseOnce(ctx, store.UsedTicket, id, v.NewID(), factor.EnrolmentLife)
	return err
}
