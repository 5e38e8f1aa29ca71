package service

import (
	"context"
	"crypto/rand"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

// client is where a sign-in comes from.
type client struct{ address, agent string }

var errCredentials = fault.New(fault.Unauthenticated, "invalid-credentials", "The email address or the password is wrong.")

func tooMany(wait time.Duration) error {
	return fault.New(fault.TooMany, "too-many-attempts", "Too many attempts. Wait before you try again.").After(wait)
}

// signIn opens a session. Errors: invalid-credentials (401), the same and after the same work whether the
// account exists or not; too-many-attempts (429).
func (s *Service) signIn(ctx context.Context, email account.Email, password string, c client) (*account.Account, session.Token, error) {
	leave, err := s.lanes.enter(ctx, string(email))
	if err != nil {
		return nil, session.Token{}, err
	}
	defer leave()
	if c.address != "" { // parallel guesses from one address are counted one by one, too
		leave, err := s.lanes.enter(ctx, "from "+c.address)
		if err != nil {
			return nil, session.Token{}, err
		}
		defer leave()
	}
	reservation, err := s.hasher.Reserve()
	if err != nil {
		return nil, session.Token{}, err
	}
	defer reservation.Release()
	failures := []*store.Counter{failuresAt(email)}
	if c.address != "" {
		failures = append(failures, &store.Counter{Kind: store.Address, Who: c.address, Policy: attempts.Address})
	}
	claim, err := s.store.SignIn(ctx, email, failures...)
	if err != nil {
		return nil, session.Token{}, err
	}
	a, err := s.store.Account(ctx, claim.UserID) // an unknown mailbox reads a key that is not there
	if err != nil {
		return nil, session.Token{}, err
	}
	if !held(a, email) {
		a = nil
	}
	if err := s.check(ctx, reservation, failures, a, password); err != nil {
		return nil, session.Token{}, err
	}
	t := session.Token{UserID: a.ID(), SessionID: s.newID(), Family: rand.Text(), Secret: rand.Text() + rand.Text()}
	err = s.store.ChangeSessions(ctx, a.ID(), func(b *session.Book) (bool, error) {
		b.Open(t, a.Epoch(), c.agent, s.now())
		return true, nil
	})
	return a, t, err
}

// failuresAt counts wrong passwords for a mailbox.
func failuresAt(mailbox account.Email) *store.Counter {
	return &store.Counter{Kind: store.SignIn, Who: string(mailbox), Policy: attempts.SignIn}
}

// check compares a password with an account's, and counts a wrong password in each of failures. failures begins with the
// mailbox's counter; the caller holds the locks under which it read them. a may be nil or deleted. Errors:
// invalid-credentials (401), too-many-attempts (429), unavailable (503).
func (s *Service) check(
	ctx context.Context, reservation hasher.Reservation, failures []*store.Counter, a *account.Account, password string,
) error {
	var wait time.Duration
	for _, c := range failures {
		wait = max(wait, c.Policy.Wait(c.Record, s.now()))
	}
	if wait > 0 {
		return tooMany(wait)
	}
	hash := ""
	if a != nil {
		hash = a.Snapshot().PasswordHash
	}
	ok, err := reservation.Matches(ctx, password, hash)
	if err != nil {
		return err
	}
	mailbox := failures[0]
	if !ok {
		// A client that hangs up must not get its guess for nothing.
		if err := s.store.Count(context.WithoutCancel(ctx), s.now(), failures...); err != nil {
			return err
		}
		if a != nil && mailbox.Policy.Add(mailbox.Record, s.now()).Count == mailbox.Policy.Free {
			s.recordThrottled(ctx, a.ID())
		}
		return errCredentials
	}
	if mailbox.Record.Count > 0 {
		return s.store.ForgetAttempts(ctx, mailbox.Kind, mailbox.Who)
	}
	return nil
}

// recordThrottled notes that the next sign-in has to wait; once, not for each that is refused then. It comes after
// the answer, which takes as long for an account as for none.
func (s *Service) recordThrottled(ctx context.Context, id string) {
	err := s.later(ctx, trail.SignInThrottled, func(ctx context.Context) error {
		return s.trail.Add(ctx, trail.SignInThrottled, trail.Unsigned(id))
	})
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("user", id).Msg("throttled sign-ins not recorded")
	}
}

var errRefresh = fault.New(fault.Unauthenticated, "invalid-token", "The refresh token is not valid or has expired. Sign in again.")

// refresh lets a refresh token serve and gives the next one. Errors: invalid-token, token-reused (401).
func (s *Service) refresh(ctx context.Context, presented string) (*account.Account, session.Token, error) {
	t, ok := session.ParseToken(presented)
	if !ok {
		return nil, t, errRefresh
	}
	a, err := s.store.Account(ctx, t.UserID)
	if err != nil {
		return nil, t, err
	}
	if a == nil || a.Deleted() {
		return nil, t, errRefresh
	}
	next := t
	next.Secret = rand.Text() + rand.Text()
	ended := false
	err = s.store.ChangeSessions(ctx, a.ID(), func(b *session.Book) (bool, error) {
		live := b.IsLive(t.SessionID, a.Epoch(), s.now())
		err := b.Rotate(t, next.Secret, a.Epoch(), s.now())
		ended = live && session.Reused(err)
		return err == nil || session.Reused(err), err
	})
	if ended {
		r := trail.Unsigned(a.ID())
		r.Session = t.SessionID
		if failed := s.trail.Add(ctx, trail.TokenReused, r); failed != nil {
			telemetry.Log(ctx).Error().Err(failed).Str("user", a.ID()).Msg("a reused token is not recorded")
		}
	}
	return a, next, err
}

// signOut ends the sessions of a refresh token and of the caller; what is over already is no error.
func (s *Service) signOut(ctx context.Context, presented string) error {
	if t, ok := session.ParseToken(presented); ok {
		err := s.store.ChangeSessions(ctx, t.UserID, func(b *session.Book) (bool, error) {
			return b.Knows(t) && b.End(t.SessionID), nil
		})
		if err != nil {
			return err
		}
	}
	if c := identity.Of(ctx); c.Known() {
		return s.store.ChangeSessions(ctx, c.UserID, func(b *session.Book) (bool, error) { return b.End(c.Session), nil })
	}
	return nil
}

// accessToken proves the account, as it is now, for signing.TokenLife.
func (s *Service) accessToken(a *account.Account, sessionID string) (string, error) {
	x := a.Snapshot()
	return s.keys.Sign(identity.Claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: x.ID, ID: s.newID()},
		Email:            string(x.Email), Name: x.Name, Roles: x.Roles, Session: sessionID,
	})
}

// clientAddress is who counts as one client: an IPv4 address or an IPv6 /64, the least that one customer
// of a provider gets. The machine itself is not slowed down: that is a proxy, or a test.
func clientAddress(forwardedFor string) string {
	first, _, _ := strings.Cut(forwardedFor, ",")
	ip, err := netip.ParseAddr(strings.TrimSpace(first))
	if err != nil || ip.IsLoopback() || ip.Unmap().IsLoopback() {
		return ""
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	prefix, _ := ip.Prefix(64)
	return prefix.String()
}

// agentName makes what a browser says of itself fit to be shown.
func agentName(header string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, header)
	if runes := []rune(clean); len(runes) > 200 {
		clean = string(runes[:200])
	}
	return clean
}
