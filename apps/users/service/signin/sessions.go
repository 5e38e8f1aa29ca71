package signin

import (
	"context"

	"github.com/golang-jwt/jwt/v5"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/trail"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

// refresh exchanges a refresh token for the next one. Errors: invalid-token, token-reused (401).
func (s *Service) refresh(ctx context.Context, token string) (*account.Account, session.Token, error) {
	t, ok := session.ParseToken(token)
	if !ok {
		return nil, t, session.ErrInvalid
	}
	a, err := s.Store.Account(ctx, t.UserID)
	if err != nil {
		return nil, t, err
	}
	if a == nil || a.Deleted() {
		return nil, t, session.ErrInvalid
	}
	next := t
	next.Secret = newSecret()
	ended := false
	err = s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		live := l.IsLive(t.SessionID, a.Epoch(), s.Now())
		err := l.Rotate(t, next.Secret, a.Epoch(), s.Now())
		ended = live && session.IsReused(err)
		return err == nil || session.IsReused(err), err
	})
	if ended {
		s.recordReused(ctx, a.ID(), t.SessionID)
	}
	return a, next, err
}

func (s *Service) recordReused(ctx context.Context, id, sessionID string) {
	r := trail.Unsigned(id)
	r.Session = sessionID
	if err := s.Trail.Add(ctx, trail.TokenReused, r); err != nil {
		telemetry.Log(ctx).Error().Err(err).Str("user", id).Msg("use of an old refresh token not recorded")
	}
}

// signOut ends the session of the refresh token, if it is one, and that of the access token, if there is one. A session
// that has ended is no error.
func (s *Service) signOut(ctx context.Context, token string) error {
	if t, ok := session.ParseToken(token); ok {
		err := s.Store.ChangeSessions(ctx, t.UserID, func(l *session.List) (bool, error) {
			return l.Issued(t) && l.End(t.SessionID), nil
		})
		if err != nil {
			return err
		}
	}
	c := identity.Of(ctx)
	if !c.Known() {
		return nil
	}
	return s.Store.ChangeSessions(ctx, c.UserID, func(l *session.List) (bool, error) { return l.End(c.Session), nil })
}

// accessToken issues the access token of a session, with the current data of the account.
func (s *Service) accessToken(a *account.Account, sessionID string) (string, error) {
	x := a.Snapshot()
	return s.Keys.Sign(identity.Claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: x.ID, ID: s.NewID()},
		Email:            string(x.Email), Name: x.Name, Roles: x.Roles, Session: sessionID,
	})
}
