package service

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

var errSignedOut = fault.New(fault.Unauthenticated, "invalid-token", "This session has ended. Sign in again.")

// gone puts instead in the place of ErrNoAccount.
func gone(err, instead error) error {
	if errors.Is(err, store.ErrNoAccount) {
		return instead
	}
	return err
}

// me gives the caller's account as it is now. A session that was ended is refused at once here, although
// its access token verifies for some minutes yet. Errors: unauthenticated, invalid-token (401).
func (s *Service) me(ctx context.Context) (*account.Account, *session.Book, error) {
	c, err := identity.Require(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	a, book, err := s.store.SignedIn(ctx, c.UserID)
	if err != nil {
		return nil, nil, err
	}
	if a == nil || a.Deleted() || !book.IsLive(c.Session, a.Epoch(), s.now()) {
		return nil, nil, errSignedOut
	}
	return a, book, nil
}

// administrator is me, for those who hold the role now, whatever their token says. Error: forbidden (403).
func (s *Service) administrator(ctx context.Context) (*account.Account, error) {
	a, _, err := s.me(ctx)
	if err != nil {
		return nil, err
	}
	if !a.Has(account.Admin) {
		return nil, fault.New(fault.Forbidden, "forbidden", "You are not allowed to do this.")
	}
	return a, nil
}

// isAdministrator is administrator where only its errors matter.
func (s *Service) isAdministrator(ctx context.Context) error {
	_, err := s.administrator(ctx)
	return err
}

// change lets f change the caller's account. Errors: as me, and f's.
func (s *Service) change(ctx context.Context, f func(*account.Account) error) (*account.Account, error) {
	a, _, err := s.me(ctx)
	if err != nil {
		return nil, err
	}
	a, err = s.store.ChangeAccount(ctx, a.ID(), f)
	return a, gone(err, errSignedOut)
}

var errCurrentPassword = fault.New(fault.Invalid, "invalid-credentials", "The current password is wrong.").WithField("body.currentPassword", "is wrong")

// confirm has the caller prove with the password that it is still them. Not 401: that says that the access token does
// not serve, and a client would get another one and try again. The caller holds the mailbox's lane. Errors:
// invalid-credentials (422); too-many-attempts (429).
func (s *Service) confirm(ctx context.Context, a *account.Account, password string) error {
	reservation, err := s.hasher.Reserve()
	if err != nil {
		return err
	}
	defer reservation.Release()
	failures := failuresAt(a.Snapshot().Email)
	if err := s.store.ReadCounters(ctx, failures); err != nil {
		return err
	}
	err = s.check(ctx, reservation, []*store.Counter{failures}, a, password)
	if fault.Is(err, errCredentials.Type) {
		return errCurrentPassword
	}
	return err
}

// changePassword sets a new password and ends all other sessions. Errors: as me and confirm.
func (s *Service) changePassword(ctx context.Context, current, password string) error {
	a, _, err := s.me(ctx)
	if err != nil {
		return err
	}
	leave, err := s.lanes.enter(ctx, string(a.Snapshot().Email))
	if err != nil {
		return err
	}
	defer leave()
	if err := s.confirm(ctx, a, current); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.trail.Add(ctx, trail.PasswordChanged, trail.Of(a.ID())); err != nil {
		return err
	}
	from := a.Epoch()
	a, err = s.store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != from { // the password that was proved is not the password any more
			return errCurrentPassword
		}
		a.SetPassword(hash)
		return nil
	})
	if err != nil {
		return gone(err, errSignedOut)
	}
	return s.store.ChangeSessions(ctx, a.ID(), func(b *session.Book) (bool, error) {
		b.Keep(identity.Of(ctx).Session, from, a.Epoch(), s.now())
		return true, nil
	})
}

// endSession signs one of the caller's devices out. Errors: as me; not-found (404).
func (s *Service) endSession(ctx context.Context, id string) error {
	a, book, err := s.me(ctx)
	if err != nil {
		return err
	}
	if !book.IsLive(id, a.Epoch(), s.now()) {
		return fault.Missing("session")
	}
	r := trail.Of(a.ID())
	r.Session = id
	if err := s.trail.Add(ctx, trail.SessionEnded, r); err != nil {
		return err
	}
	return s.store.ChangeSessions(ctx, a.ID(), func(b *session.Book) (bool, error) { return b.End(id), nil })
}

// setRoles gives a user exactly these roles; check may refuse the account as it is. Errors: as administrator;
// invalid-request (422); own-role (409); not-found (404).
func (s *Service) setRoles(ctx context.Context, id string, roles []string, check func(*account.Account) error) (*account.Account, error) {
	by, err := s.administrator(ctx)
	if err != nil {
		return nil, err
	}
	set := func(a *account.Account) error {
		if err := check(a); err != nil {
			return err
		}
		return a.SetRoles(by.ID(), roles)
	}
	a, err := s.store.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	if a == nil || a.Deleted() {
		return nil, fault.Missing("user")
	}
	was := a.Snapshot()
	if err := set(a); err != nil || a.Version() == was.Version {
		return a, err
	}
	r := trail.Record{UserFact: contract.UserFact{UserID: id}, By: by.ID(), Was: was.Roles, Roles: a.Snapshot().Roles}
	if err := s.trail.Add(ctx, trail.RolesChanged, r); err != nil {
		return nil, err
	}
	a, err = s.store.ChangeAccount(ctx, id, set)
	return a, gone(err, fault.Missing("user"))
}
