// Package registration registers customers and proves their mailboxes. It has everything that works by a token from a
// mail: the proof of a mailbox, a new password, and the change to another e-mail address.
package registration

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/background"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/telemetry"
)

// Mode says when an account exists after a registration, and what strangers learn from the answer.
type Mode bool

const (
	// Verified means that the account exists when its owner has followed the link in the mail. The answer is the same
	// for everybody.
	Verified Mode = false
	// Open means that the account exists at once. The answer tells who has an account.
	Open Mode = true
)

// UnmarshalText accepts the texts verified and open.
func (m *Mode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "verified":
		*m = Verified
	case "open":
		*m = Open
	default:
		return errors.New("must be verified or open")
	}
	return nil
}

// String returns verified or open.
func (m Mode) String() string {
	if m == Open {
		return "open"
	}
	return "verified"
}

// MarshalText returns verified or open.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Service registers customers. It is safe for concurrent use.
type Service struct {
	Mode      Mode
	Store     *store.Store
	Mailboxes *mailbox.Mailboxes
	Trail     *trail.Trail
	SignIn    *signin.Service
	Hasher    *hasher.Hasher
	Tasks     *background.Tasks
	Now       func() time.Time
	NewID     func() string
}

// registration is what somebody who registers has chosen.
type registration struct {
	email          account.Email
	password, name string
	by             signin.Client
}

// request registers in the mode Verified. Nothing but a mail with a token comes of it: the token has the registration,
// with the hash of its password, and verify makes an account of it. Each token opens only the account of its own
// registration, and the first one that is used gets the mailbox. So a stranger who registers somebody else's address
// gets no account, unless the owner follows the link in a mail that says what it opens.
//
// If an account has the mailbox already, its owner gets a mail that says so. Everybody gets the same answer after the
// same work, which is the hash: everything that depends on the mailbox happens after the answer. Errors: unavailable
// (503).
func (s *Service) request(ctx context.Context, r registration) error {
	hash, err := s.Hasher.Hash(ctx, r.password)
	if err != nil {
		return err
	}
	by := mailbox.Asker{ID: r.by.ID()}
	return s.Tasks.Go(ctx, contract.UserVerificationRequested, func(ctx context.Context) error {
		a, err := s.Mailboxes.ProvenHolder(ctx, r.email)
		if err != nil {
			return err
		}
		if a != nil {
			return s.Mailboxes.RequestMail(ctx, contract.UserRegistrationRepeated, by, store.MailToken{
				Kind: store.Notice, UserID: a.ID(), Email: r.email, Name: a.Snapshot().Name})
		}
		return s.Mailboxes.RequestMail(ctx, contract.UserVerificationRequested, by, store.MailToken{
			Kind: store.VerifyEmail, UserID: s.NewID(), Email: r.email, Name: r.name,
			Candidate: &store.Candidate{PasswordHash: hash, CreatedAt: s.Now().UTC()}})
	})
}

// register registers in the mode Open. It makes an account for a mailbox that nobody has proven.
//
// If an unproven account has the mailbox, the account stays as it is, and the new registration becomes a candidate with
// an id and a password of its own, which are stored with its mailed token only. The first account or candidate that
// answers its mail gets the mailbox, and the others are erased with their sessions. So nobody can take over an account
// by registering its address again, and nobody who has registered another person's address beforehand keeps access to
// it. The answer looks the same in both cases.
//
// Errors: invalid-request (422); email-taken (409) if the mailbox is proven.
func (s *Service) register(ctx context.Context, r registration) (*account.Account, error) {
	taken, err := s.Mailboxes.IsTaken(ctx, r.email, "") // checked here too, before the expensive hash
	if err != nil {
		return nil, err
	}
	if taken {
		return nil, mailbox.ErrTaken
	}
	hash, err := s.Hasher.Hash(ctx, r.password)
	if err != nil {
		return nil, err
	}
	a, candidate, err := s.Mailboxes.CreateAccount(ctx, r.email, r.name, hash)
	if err != nil {
		return nil, err
	}
	x := a.Snapshot()
	t := store.MailToken{Kind: store.VerifyEmail, UserID: x.ID, Email: r.email, Name: x.Name}
	if candidate {
		t.Candidate = &store.Candidate{PasswordHash: x.PasswordHash, CreatedAt: x.CreatedAt}
	}
	// An error does not undo the registration: the user can request the mail again.
	by := mailbox.Asker{ID: r.by.ID()}
	if err := s.Mailboxes.RequestMailLater(ctx, contract.UserVerificationRequested, by, t); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("verification mail not sent")
	}
	return a, nil
}

// requestVerification requests the mail that proves the caller's mailbox again, unless it is proven. Errors: as
// signin.Caller; unavailable (503).
func (s *Service) requestVerification(ctx context.Context) error {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil || a.Verified() {
		return err
	}
	x := a.Snapshot()
	return s.Mailboxes.RequestMailLater(ctx, contract.UserVerificationRequested, mailbox.ByUser(x.ID),
		store.MailToken{Kind: store.VerifyEmail, UserID: x.ID, Email: x.Email, Name: x.Name})
}

// verify proves a mailbox with a mailed token, and changes the account to it if the token is for that. Each step may be
// repeated after a crash, because the token is deleted last. Errors: invalid-token (422); email-taken (409).
func (s *Service) verify(ctx context.Context, token string) error {
	t, err := s.Mailboxes.Token(ctx, token, store.VerifyEmail, store.ChangeEmail)
	if err != nil {
		return err
	}
	if t.Kind == store.ChangeEmail {
		err = s.changeEmail(ctx, t)
	} else {
		err = s.proveMailbox(ctx, t)
	}
	if err != nil {
		return err
	}
	return s.Store.DeleteMailToken(ctx, token)
}

func (s *Service) proveMailbox(ctx context.Context, t store.MailToken) error {
	if err := s.Trail.Add(ctx, trail.EmailVerified, trail.Unsigned(t.UserID)); err != nil {
		return err
	}
	return s.Mailboxes.Prove(ctx, t)
}
