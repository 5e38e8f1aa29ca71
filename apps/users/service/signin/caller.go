package signin

import (
	"context"
	"slices"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

// ErrSessionEnded is the error for a caller whose access token belongs to a session that has ended: invalid-token
// (401).
var ErrSessionEnded = fault.New(fault.Unauthenticated, "invalid-token", "This session has ended. Sign in again.")

// Caller reads the account of the caller and its sessions. It refuses an access token that is not expired yet if its
// session has ended. Errors: unauthenticated, invalid-token (401).
func (s *Service) Caller(ctx context.Context) (*account.Account, *session.List, error) {
	c, err := identity.Require(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	a, sessions, err := s.Store.AccountAndSessions(ctx, c.UserID)
	if err != nil {
		return nil, nil, err
	}
	if a == nil || a.Deleted() || !sessions.IsLive(c.Session, a.Epoch(), s.Now()) {
		return nil, nil, ErrSessionEnded
	}
	return a, sessions, nil
}

// Administrator reads the account of a caller who is an administrator now, whatever the access token says. If the shop
// requires it, the session must have proven a second factor. Errors: as Caller; forbidden (403).
func (s *Service) Administrator(ctx context.Context) (*account.Account, error) {
	a, sessions, err := s.Caller(ctx)
	if err != nil {
		return nil, err
	}
	proven := sessions.Factor(identity.Of(ctx).Session, a.Epoch(), s.Now()) != ""
	granted, _ := a.ProvenRoles(bool(s.Factors.Required), proven)
	if !slices.Contains(granted, account.Admin) {
		return nil, fault.New(fault.Forbidden, "forbidden", "You are not allowed to do this.")
	}
	return a, nil
}
