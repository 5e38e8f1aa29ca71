// Package factors lets users manage their second factors: enrol an authenticator app or a passkey, list and remove
// factors, and replace the recovery codes. Each change needs the password, and once there is a factor, a session that
// has proven one. The owner gets a mail about each factor that is added or removed.
package factors

import (
	"context"
	"crypto/rand"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

// Service changes the second factors of callers. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Mailboxes *mailbox.Mailboxes
	Trail     *trail.Trail
	SignIn    *signin.Service
	Verifier  *secondfactor.Verifier
}

var errUnproven = fault.New(fault.Forbidden, "second-factor-not-proven",
	"Sign in again with a second factor before you change your second factors.")

// caller reads the account of the caller, who may change its second factors. Errors: as signin.Caller;
// second-factor-not-proven (403) if the account has a factor and the session has proven none.
func (s *Service) caller(ctx context.Context) (*account.Account, error) {
	a, sessions, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	if a.Factors().Any() && sessions.Factor(sessionOf(ctx), a.Epoch(), s.Verifier.Now()) == "" {
		return nil, errUnproven
	}
	return a, nil
}

func sessionOf(ctx context.Context) string { return identity.Of(ctx).Session }

// begin checks that the caller may add a factor. Errors: as caller and signin.ConfirmPassword; too-many-second-factors
// (409).
func (s *Service) begin(ctx context.Context, password string) (*account.Account, error) {
	a, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.Factors().CheckRoom(); err != nil {
		return nil, err
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, password)
	if err != nil {
		return nil, err
	}
	unlock()
	return a, nil
}

// enrol adds a factor that its owner has shown to work, and returns the recovery codes if it is the first one. The
// caller's session has proven the factor; all other sessions that have proven none end. Each step may be repeated.
// Errors: too-many-second-factors (409).
func (s *Service) enrol(ctx context.Context, a *account.Account, e secondfactor.Enrolment) (codes []string, err error) {
	if !e.Known {
		r := trail.ByOwner(a.ID())
		r.Session, r.Factor = sessionOf(ctx), e.Factor.Kind
		if err := s.Mailboxes.RecordWithNotice(ctx, secondfactor.Added, a, r); err != nil {
			return nil, err
		}
	}
	digests := s.Verifier.Vault.Digests(a.ID(), e.Codes)
	epoch := a.Epoch()
	a, err = s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != epoch {
			return signin.ErrSessionEnded
		}
		if _, found := a.Factors().Get(e.Factor.ID); found {
			return nil
		}
		return a.ChangeFactors(func(set *factor.Set) error { return set.Add(e.Factor, digests) })
	})
	if err != nil {
		return nil, store.IfNoAccount(err, signin.ErrSessionEnded)
	}
	err = s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		l.Prove(sessionOf(ctx), e.Factor.Kind)
		return true, nil
	})
	if first := a.Factors().Factors[0].ID == e.Factor.ID; err == nil && first {
		codes = e.Codes
	}
	return codes, err
}

// remove removes a factor. Errors: as caller and signin.ConfirmPassword; not-found (404).
func (s *Service) remove(ctx context.Context, id, password string) error {
	a, err := s.caller(ctx)
	if err != nil {
		return err
	}
	f, found := a.Factors().Get(id)
	if !found {
		return fault.Missing("second factor")
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, password)
	if err != nil {
		return err
	}
	defer unlock()
	r := trail.ByOwner(a.ID())
	r.Session, r.Factor = sessionOf(ctx), f.Kind
	if err := s.Mailboxes.RecordWithNotice(ctx, secondfactor.Removed, a, r); err != nil {
		return err
	}
	if err := s.Verifier.Forget(ctx, id); err != nil {
		return err
	}
	_, err = s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		return a.ChangeFactors(func(set *factor.Set) error { return set.Remove(id) })
	})
	return store.IfNoAccount(err, signin.ErrSessionEnded)
}

// replaceCodes replaces the recovery codes. Errors: as caller and signin.ConfirmPassword; no-second-factor (409).
func (s *Service) replaceCodes(ctx context.Context, password string) ([]string, error) {
	a, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	errNone := fault.New(fault.Conflict, "no-second-factor", "Recovery codes need a second factor. Enrol one first.")
	if !a.Factors().Any() {
		return nil, errNone
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, password)
	if err != nil {
		return nil, err
	}
	defer unlock()
	codes := make([]string, factor.RecoveryCodes)
	for i := range codes {
		codes[i] = factor.Format(rand.Text())
	}
	if err := s.Trail.Add(ctx, trail.RecoveryCodesReplaced, trail.ByOwner(a.ID())); err != nil {
		return nil, err
	}
	_, err = s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		return a.ChangeFactors(func(set *factor.Set) error {
			if !set.Any() {
				return errNone
			}
			set.Codes = s.Verifier.Vault.Digests(a.ID(), codes)
			return nil
		})
	})
	return codes, store.IfNoAccount(err, signin.ErrSessionEnded)
}
