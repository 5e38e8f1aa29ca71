package signin

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/signing"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/view"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// refresh exchanges a refresh token for the next one. A client that repeats the request within session.Grace gets the
// same tokens again. Errors: invalid-token, token-reused (401).
func (s *Service) refresh(ctx context.Context, token string) (signedIn, error) {
	t, ok := session.ParseToken(token)
	if !ok {
		return signedIn{}, session.ErrInvalid
	}
	a, err := s.Store.Account(ctx, t.UserID)
	if err != nil {
		return signedIn{}, err
	}
	if a == nil || a.Deleted() {
		return signedIn{}, session.ErrInvalid
	}
	next := t
	next.Secret = s.Successors.Secret(token)
	var rotation session.Rotation
	ended := false
	err = s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		live := l.IsLive(t.SessionID, a.Epoch(), s.Now())
		rotation, err = l.Rotate(t, next.Secret, a.Epoch(), s.Now())
		ended = live && session.IsReused(err)
		return err == nil && !rotation.Repeated || session.IsReused(err), err
	})
	if ended {
		s.recordReused(ctx, a.ID(), t.SessionID)
	}
	if err != nil {
		return signedIn{}, err
	}
	answer, err := s.tokens(a, next, rotation.At, rotation.Factor)
	// A repeated answer is the same one, so what it says must still be true then.
	answer.ExpiresIn -= int(session.Grace.Seconds())
	return answer, err
}

func (s *Service) recordReused(ctx context.Context, id, sessionID string) {
	r := trail.Unsigned(id)
	r.Session = sessionID
	if err := s.Trail.Add(ctx, trail.TokenReused, r); err != nil {
		telemetry.Log(ctx).Error().Err(err).Str(field.User, id).Msg("use of an old refresh token not recorded")
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

// tokens makes the answer with the tokens of a session, in which the kind of factor was proven, and the current data of
// the account. The access token is issued at the given time. The same arguments yield the same answer.
func (s *Service) tokens(a *account.Account, t session.Token, at time.Time, proven string) (signedIn, error) {
	x := a.Snapshot()
	granted, withheld := a.ProvenRoles(bool(s.Factors.Required), proven != "")
	access, err := s.Keys.Sign(x.ID, s.Successors.TokenID(t.String()), at, identity.Claims{
		Email: string(x.Email), Name: x.Name, Roles: granted, Session: t.SessionID, Methods: methods(proven),
	})
	return signedIn{AccessToken: access, RefreshToken: t.String(), ExpiresIn: int(signing.TokenLife.Seconds()),
		User: view.UserOf(a), WithheldRoles: withheld}, err
}

// methods returns the amr claim of a session (RFC 8176).
func methods(proven string) []string {
	switch proven {
	case factor.TOTP:
		return []string{"pwd", "otp", "mfa"}
	case factor.Passkey:
		return []string{"pwd", "pop", "mfa"}
	case factor.Recovery:
		return []string{"pwd", "mfa"}
	}
	return []string{"pwd"}
}
