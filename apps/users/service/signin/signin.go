// Package signin signs users in and out. It slows down guesses of passwords, issues access tokens and refresh tokens,
// and tells other packages which account the caller of a request has.
package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"time"

	"haberdash/apps/users/internal/account"
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
	Devices    signing.Devices
	Factors    *secondfactor.Verifier
	Metrics    Metrics

	locks keyedLock // by mailbox, client address, device and session
}

// signIn opens a session. Errors: too-many-attempts (429), and invalid-credentials (401), which is the same, after the
// same work, whether or not the account exists; second-factor-required (401) after the right password, if the account
// has a second factor.
func (s *Service) signIn(ctx context.Context, email account.Email, password string, c Client) (*account.Account,
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
	failures := failuresOf(email, c)
	claim, err := s.Store.ClaimAndCounters(ctx, email, failures...)
	if err != nil {
		return nil, session.Token{}, err
	}
	// Without a claim this reads keys that do not exist, so that it takes the same time.
	a, origins, err := s.Store.AccountAndOrigins(ctx, claim.UserID)
	if err != nil {
		return nil, session.Token{}, err
	}
	if !a.Uses(email) {
		a = nil
	}
	if a != nil && c.Known(origins, s.Now()) {
		failures = slices.DeleteFunc(failures, func(f *store.Counter) bool { return f.Kind == store.SignIn })
	}
	if err := s.checkPassword(ctx, reservation, failures, a, password); err != nil {
		return nil, session.Token{}, err
	}
	if a.Factors().Any() {
		return nil, session.Token{}, s.Factors.Challenge(a)
	}
	t, err := s.open(ctx, a, origins, "", c)
	return a, t, err
}

// open opens a session, in which the kind of factor was proven, or none. From then on the user is known at the address.
func (s *Service) open(ctx context.Context, a *account.Account, origins store.Origins, factor string,
	c Client) (session.Token, error) {
	t := session.Token{UserID: a.ID(), SessionID: s.NewID(), Family: rand.Text(), Secret: newSecret()}
	err := s.Store.ChangeSessions(ctx, a.ID(), func(l *session.List) (bool, error) {
		l.Open(t, a.Epoch(), c.agent, factor, s.Now())
		return true, nil
	})
	if err == nil && c.address != "" {
		err = s.Store.AddOrigin(ctx, a.ID(), origins, c.address, s.Now())
	}
	return t, err
}

// Trust makes a client known that has proven the mailbox of an account with a token from a mail, and forgets the wrong
// passwords that it has sent.
func (s *Service) Trust(ctx context.Context, user string, mailbox account.Email, c Client) error {
	for _, f := range failuresOf(mailbox, c) {
		if f.Kind == store.Address {
			continue
		}
		if err := s.Store.ForgetAttempts(ctx, f.Kind, f.Subject); err != nil {
			return err
		}
	}
	if c.address == "" {
		return nil
	}
	return s.Store.AddOrigin(ctx, user, nil, c.address, s.Now())
}

// deviceToken returns the token by which the device of a client is known after a sign-in. A known one keeps its token,
// and with it the count of its wrong passwords.
func (s *Service) deviceToken(mailbox account.Email, c Client) string {
	return s.Devices.Token(cmp.Or(c.device, s.NewID()), string(mailbox))
}

// lock locks what the wrong passwords of the client are counted by, so that parallel guesses are counted one by one,
// and do not take all slots for hashing. A known device does not wait for the guesses of others.
func (s *Service) lock(ctx context.Context, email account.Email, c Client) (unlock func(), err error) {
	if c.device != "" {
		return s.locks.Lock(ctx, c.ID())
	}
	unlockMailbox, err := s.locks.Lock(ctx, string(email))
	if err != nil || c.address == "" {
		return unlockMailbox, err
	}
	unlockAddress, err := s.locks.Lock(ctx, c.ID())
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
