// Package signin signs users in and out. It slows down guesses of passwords, issues access tokens and refresh tokens,
// and tells other packages which account the caller of a request has.
package signin

import (
	"context"
	"crypto/rand"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/internal/session"
	"haberdash/apps/users/internal/signing"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/background"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
)

// Service signs users in. It is safe for concurrent use.
type Service struct {
	Store  *store.Store
	Trail  *trail.Trail
	Keys   *keyring.Keyring
	Hasher *hasher.Hasher
	Tasks  *background.Tasks
	Now    func() time.Time
	NewID  func() string

	Successors signing.Successors
	Factors    *secondfactor.Verifier

	locks keyedLock // by mailbox, and by client address
}

// client is the origin of a sign-in.
type client struct {
	address string // empty if it is not known, or is the machine itself
	agent   string // the name of the browser
}

// signIn opens a session. Errors: too-many-attempts (429), and invalid-credentials (401), which is the same, after the
// same work, whether or not the account exists; second-factor-required (401) after the right password, if the account
// has a second factor.
func (s *Service) signIn(ctx context.Context, email account.Email, password string, c client) (*account.Account,
	session.Token, error) {
	unlock, err := s.lock(ctx, email, c)
	if err != nil {
		return nil, session.Token{}, err
	}
	defer unlock()
	reservation, err := s.Hasher.Reserve()
	if err != nil {
		return nil, session.Token{}, err
	}
	defer reservation.Release()
	failures := []*store.Counter{failuresOf(email)}
	if c.address != "" {
		failures = append(failures,
			&store.Counter{Kind: store.Address, Subject: c.address, Policy: attempts.Address})
	}
	claim, err := s.Store.ClaimAndCounters(ctx, email, failures...)
	if err != nil {
		return nil, session.Token{}, err
	}
	// Without a claim this reads a key that does not exist, so that it takes the same time.
	a, err := s.Store.Account(ctx, claim.UserID)
	if err != nil {
		return nil, session.Token{}, err
	}
	if !a.Uses(email) {
		a = nil
	}
	if err := s.checkPassword(ctx, reservation, failures, a, password); err != nil {
		return nil, session.Token{}, err
	}
	if a.Factors().Any() {
		return nil, session.Token{}, s.Factors.Challenge(a)
	}
	t, err := s.open(ctx, a, "", c)
	return a, t, err
}

// open opens a session, in which the kind of factor was proven, or none.
func (s *Service) open(ctx context.Context, a *account.Account, factor string, c client) (session.Token, error) {
	t := session.Token{UserID: a.ID(), SessionID: s.NewID(), Family: rand.Text(), Secret: newSecret()}
	return t, s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		l.Open(t, a.Epoch(), c.agent, factor, s.Now())
		return true, nil
	})
}

// lock locks the mailbox and the client address, so that parallel guesses at an account or from an address are counted
// one by one, and do not take all slots for hashing.
func (s *Service) lock(ctx context.Context, email account.Email, c client) (unlock func(), err error) {
	unlockMailbox, err := s.locks.Lock(ctx, string(email))
	if err != nil || c.address == "" {
		return unlockMailbox, err
	}
	unlockAddress, err := s.locks.Lock(ctx, "from "+c.address)
	if err != nil {
		unlockMailbox()
		return nil, err
	}
	return func() { unlockAddress(); unlockMailbox() }, nil
}

// newSecret returns the secret of a refresh token, with 260 random bits.
func newSecret() string { return rand.Text() + rand.Text() }

var errCredentials = fault.New(fault.Unauthenticated, "invalid-credentials",
	"The email address or the password is wrong.")
