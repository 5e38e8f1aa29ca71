package registration

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// requestEmailChange requests a mail to another mailbox. Its token changes the caller's account to this mailbox. No
// mail is sent to a mailbox that another account has proven, and the answer is the same. Errors: as signin.Caller and
// signin.ConfirmPassword; invalid-request (422).
func (s *Service) requestEmailChange(ctx context.Context, to account.Email, password string) error {
	a, _, err := s.SignIn.Caller(ctx)
	if err != nil {
		return err
	}
	x := a.Snapshot()
	if to == x.Email {
		return fault.BadField("email", "is the address of the account already")
	}
	unlock, err := s.SignIn.ConfirmPassword(ctx, a, password)
	if err != nil {
		return err
	}
	defer unlock()
	return s.Tasks.Go(ctx, contract.UserEmailChangeAsked, func(ctx context.Context) error {
		taken, err := s.Mailboxes.IsTaken(ctx, to, x.ID)
		if err != nil || taken {
			return err
		}
		return s.Mailboxes.RequestMail(ctx, contract.UserEmailChangeAsked, mailbox.ByUser(x.ID), store.MailToken{
			Kind: store.ChangeEmail, UserID: x.ID, Email: to, Name: x.Name, Epoch: x.Epoch})
	})
}

// changeEmail changes the account of a mailed token to the mailbox that the token proves. It acquires the new mailbox,
// changes the account and releases the former mailbox, which signs nobody in from the change on. An account that had
// the new mailbox without a proof is erased. Each step may be repeated after a crash. Errors: invalid-token (422);
// email-taken (409).
func (s *Service) changeEmail(ctx context.Context, t store.MailToken) error {
	a, err := s.Store.Account(ctx, t.UserID)
	if err != nil {
		return err
	}
	if a == nil || a.Deleted() || a.Epoch() != t.Epoch {
		return mailbox.ErrInvalidToken
	}
	if a, err = s.releaseFormer(ctx, a); err != nil { // of an earlier change that a crash has interrupted
		return err
	}
	previous, err := s.Mailboxes.Acquire(ctx, t.Email, a)
	if err != nil {
		return err
	}
	if former := a.Snapshot().Email; former != t.Email {
		notice := store.MailToken{Kind: store.Notice, UserID: a.ID(), Email: former, Name: a.Snapshot().Name}
		if err := s.Mailboxes.RequestNotice(ctx, contract.UserEmailChanged, notice); err != nil {
			return err
		}
	}
	a, err = s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != t.Epoch {
			return mailbox.ErrInvalidToken
		}
		a.ChangeEmail(t.Email)
		return nil
	})
	if err != nil {
		return store.IfNoAccount(err, mailbox.ErrInvalidToken)
	}
	if _, err := s.releaseFormer(ctx, a); err != nil {
		return err
	}
	return s.Mailboxes.EraseFormerHolder(ctx, previous, t.Email)
}

// releaseFormer releases the former mailbox of an account, if there is one, and returns the changed account.
func (s *Service) releaseFormer(ctx context.Context, a *account.Account) (*account.Account, error) {
	former := a.Snapshot().Former
	if former == "" {
		return a, nil
	}
	if err := s.Mailboxes.Release(ctx, former, a.ID()); err != nil {
		return nil, err
	}
	a, err := s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error { a.ForgetFormerEmail(); return nil })
	return a, store.IfNoAccount(err, mailbox.ErrInvalidToken)
}
