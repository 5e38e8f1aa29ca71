// Package registration registers customers and proves their mailboxes. It has everything that works by a token from a
// mail: the proof of a mailbox, a new password, and the change to another e-mail address.
package registration

import (
	"context"

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

// Service registers customers. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Mailboxes *mailbox.Mailboxes
	Trail     *trail.Trail
	SignIn    *signin.Service
	Hasher    *hasher.Hasher
	Tasks     *background.Tasks
}

// register makes an account for a mailbox that nobody has proven.
//
// If an unproven account has the mailbox, the account stays as it is, and the new registration becomes a candidate with
// an id and a password of its own, which are stored with its mailed token only. The first account or candidate that
// answers its mail gets the mailbox, and the others are erased with their sessions. So nobody can take over an account
// by registering its address again, and nobody who has registered another person's address beforehand keeps access to
// it. The answer looks the same in both cases.
//
// Errors: invalid-request (422); email-taken (409) if the mailbox is proven.
func (s *Service) register(ctx context.Context, email account.Email, password, name string) (*account.Account, error) {
	taken, err := s.Mailboxes.IsTaken(ctx, email, "") // checked here too, before the expensive hash
	if err != nil {
		return nil, err
	}
	if taken {
		return nil, mailbox.ErrTaken
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	a, candidate, err := s.Mailboxes.CreateAccount(ctx, email, name, hash)
	if err != nil {
		return nil, err
	}
	x := a.Snapshot()
	t := store.MailToken{Kind: store.VerifyEmail, UserID: x.ID, Email: email, Name: x.Name}
	if candidate {
		t.Candidate = &store.Candidate{PasswordHash: x.PasswordHash, CreatedAt: x.CreatedAt}
	}
	// An error does not undo the registration: the user can request the mail again.
	if err := s.Mailboxes.RequestMailLater(ctx, contract.UserVerificationRequested, "", t); err != nil {
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
	return s.Mailboxes.RequestMailLater(ctx, contract.UserVerificationRequested, x.ID,
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
