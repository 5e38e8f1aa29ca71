package registration

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
)

// forgotPassword requests a mail with a token for a new password, if the account exists. Everything happens after the
// answer, so that neither the answer nor its time shows whether it does.
func (s *Service) forgotPassword(ctx context.Context, email account.Email, c signin.Client) error {
	return s.Tasks.Go(ctx, contract.UserPasswordResetAsked, func(ctx context.Context) error {
		holder, err := s.Mailboxes.Holder(ctx, email)
		if err != nil || holder == nil {
			return err
		}
		a, origins, err := s.Store.AccountAndOrigins(ctx, holder.ID())
		if err != nil || a == nil {
			return err
		}
		by := mailbox.Asker{ID: c.ID(), Known: c.Known(origins, s.SignIn.Now())}
		return s.Mailboxes.RequestMail(ctx, contract.UserPasswordResetAsked, by, store.MailToken{
			Kind: store.ResetPassword, UserID: a.ID(), Email: email, Name: a.Snapshot().Name, Epoch: a.Epoch()})
	})
}

// resetPassword sets a new password with a mailed token, which also proves the mailbox. All sessions end. Errors:
// invalid-request, invalid-token (422).
func (s *Service) resetPassword(ctx context.Context, token, password string, from signin.Origin) error {
	t, err := s.Mailboxes.Token(ctx, token, store.ResetPassword)
	if err != nil {
		return err
	}
	a, err := s.Store.Account(ctx, t.UserID)
	if err != nil {
		return err
	}
	if !a.Uses(t.Email) || a.Epoch() != t.Epoch {
		return mailbox.ErrInvalidToken
	}
	if err := account.CheckPassword("password", password, string(t.Email), a.Snapshot().Name); err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	if err := s.Mailboxes.MarkProven(ctx, t.Email, t.UserID); err != nil {
		return err
	}
	if err := s.Trail.Add(ctx, trail.PasswordReset, trail.Unsigned(t.UserID)); err != nil {
		return err
	}
	_, err = s.Store.ChangeAccount(ctx, t.UserID, func(a *account.Account) error {
		if a.Epoch() != t.Epoch { // the token was used by a concurrent request
			return mailbox.ErrInvalidToken
		}
		a.ResetPassword(hash)
		return nil
	})
	if err != nil {
		return store.IfNoAccount(err, mailbox.ErrInvalidToken)
	}
	if err := s.SignIn.Trust(ctx, t.UserID, t.Email, s.SignIn.ClientOf(from, t.Email, "")); err != nil {
		return err
	}
	return s.Store.DeleteMailToken(ctx, token)
}
