package service

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/service/store"
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

// change lets f change the caller's account. Errors: as me, and f's.
func (s *Service) change(ctx context.Context, f func(*account.Account) error) (*account.Account, error) {
	a, _, err := s.me(ctx)
	if err != nil {
		return nil, err
	}
	a, err = s.store.ChangeAccount(ctx, a.ID(), f)
	return a, gone(err, errSignedOut)
}

// changePassword sets a new password and ends all other sessions. Errors: as me; invalid-credentials
// (401); too-many-attempts (429).
func (s *Service) changePassword(ctx context.Context, current, password string) error {
	a, _, err := s.me(ctx)
	if err != nil {
		return err
	}
	mailbox := string(a.Snapshot().Email)
	leave, err := s.lanes.enter(ctx, mailbox)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.check(ctx, mailbox, a, current); err != nil {
		return err
	}
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	from := a.Epoch()
	a, err = s.store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != from { // the password that was proved is not the password any more
			return errCredentials
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
