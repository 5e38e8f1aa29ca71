// Package profile lets users read and change their own account: name, password, addresses, sessions, and its deletion.
package profile

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

// Service changes the accounts of callers. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Mailboxes *mailbox.Mailboxes
	Trail     *trail.Trail
	SignIn    *signin.Service
	Hasher    *hasher.Hasher
	Now       func() time.Time
	NewID     func() string
}

// changeAccount changes the caller's account. Errors: as signin.Caller, and those of change.
func (s *Service) changeAccount(ctx context.Context, change func(*account.Account) error) (*account.Account, error) {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	a, err = s.Store.ChangeAccount(ctx, a.ID(), change)
	return a, store.IfNoAccount(err, signin.ErrSessionEnded)
}

// deleteAccount deletes the caller's account and, by an event, the data of the user in other services. Errors: as
// signin.Caller and signin.ConfirmPassword; own-role (409).
func (s *Service) deleteAccount(ctx context.Context, password string) error {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return err
	}
	if err := a.CheckDeletable(); err != nil {
		return err
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, password)
	if err != nil {
		return fault.Relocate(err, "currentPassword", "password")
	}
	defer unlock()
	return s.Mailboxes.DeleteAccount(ctx, trail.ByOwner(a.ID()))
}

// changePassword sets a new password and ends all other sessions. Errors: as signin.Caller and signin.ConfirmPassword;
// invalid-request (422).
func (s *Service) changePassword(ctx context.Context, current, password string) error {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return err
	}
	x := a.Snapshot()
	if err := account.CheckPassword("newPassword", password, string(x.Email), x.Name); err != nil {
		return err
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, current)
	if err != nil {
		return err
	}
	defer unlock()
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.Trail.Add(ctx, trail.PasswordChanged, trail.ByOwner(a.ID())); err != nil {
		return err
	}
	from := a.Epoch()
	a, err = s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != from { // another request has changed the password since
			return signin.ErrCurrentPassword
		}
		a.SetPassword(hash)
		return nil
	})
	if err != nil {
		return store.IfNoAccount(err, signin.ErrSessionEnded)
	}
	return s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		l.EndOthers(identity.Of(ctx).Session, from, a.Epoch(), s.Now())
		return true, nil
	})
}

// endSession ends one of the caller's sessions. Errors: as signin.Caller; not-found (404).
func (s *Service) endSession(ctx context.Context, id string) error {
	a, sessions, err := s.SignIn.Caller(ctx)
	if err != nil {
		return err
	}
	if !sessions.IsLive(id, a.Epoch(), s.Now()) {
		return fault.Missing("session")
	}
	r := trail.ByOwner(a.ID())
	r.Session = id
	if err := s.Trail.Add(ctx, trail.SessionEnded, r); err != nil {
		return err
	}
	return s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) { return l.End(id), nil })
}
