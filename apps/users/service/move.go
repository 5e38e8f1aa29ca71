package service

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// askMove mails a token to another mailbox, with which the caller's account moves there. Of a mailbox that is
// somebody's already the answer tells nothing, and no mail is sent. Errors: as me and confirm; invalid-request (422).
func (s *Service) askMove(ctx context.Context, to account.Email, password string) error {
	a, _, err := s.me(ctx)
	if err != nil {
		return err
	}
	x := a.Snapshot()
	if to == x.Email {
		return fault.BadField("body.email", "is the address of the account already")
	}
	leave, err := s.lanes.enter(ctx, string(x.Email))
	if err != nil {
		return err
	}
	defer leave()
	if err := s.confirm(ctx, a, password); err != nil {
		return err
	}
	return s.later(ctx, contract.UserEmailChangeAsked, func(ctx context.Context) error {
		claim, _, err := s.store.Claim(ctx, to)
		if err != nil {
			return err
		}
		holder, err := s.store.Account(ctx, claim.UserID)
		if err != nil || (claim.UserID != x.ID && taken(claim, holder, to)) {
			return err
		}
		return s.mail(ctx, contract.UserEmailChangeAsked, x.ID, store.Mailed{
			Kind: store.ChangeEmail, UserID: x.ID, Email: to, Name: x.Name, Epoch: x.Epoch})
	})
}

// changeEmail lets a mailed token move its account to the mailbox that it proves: the mailbox is claimed, the
// account moved, the former mailbox freed. Until it is, the account counts as having left it. Who had the new one
// without having proved it is erased. Errors: invalid-token (422); email-taken (409).
func (s *Service) changeEmail(ctx context.Context, token string, m store.Mailed) error {
	a, err := s.store.Account(ctx, m.UserID)
	if err != nil {
		return err
	}
	if a == nil || a.Deleted() || a.Epoch() != m.Epoch {
		return errMailedToken
	}
	if a, err = s.moved(ctx, a); err != nil { // an earlier move that a crash interrupted
		return err
	}
	claim, err := s.seize(ctx, m.Email, store.Claim{UserID: a.ID(), Place: a.Snapshot().Place, Verified: true})
	if err != nil {
		return err
	}
	if former := a.Snapshot().Email; former != m.Email {
		// Whoever reads mail there hears of it, however much mail was asked for of late.
		notice := store.Mailed{Kind: store.Notice, UserID: a.ID(), Email: former, Name: a.Snapshot().Name}
		if err := s.send(ctx, contract.UserEmailChanged, "", notice); err != nil {
			return err
		}
	}
	a, err = s.store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Epoch() != m.Epoch {
			return errMailedToken
		}
		a.Move(m.Email)
		return nil
	})
	if err != nil {
		return gone(err, errMailedToken)
	}
	if _, err := s.moved(ctx, a); err != nil {
		return err
	}
	if err := s.dislodge(ctx, claim.Previous, m.Email); err != nil {
		return err
	}
	return s.store.DeleteMailed(ctx, token)
}

// moved frees the mailbox that an account has left, if there is one.
func (s *Service) moved(ctx context.Context, a *account.Account) (*account.Account, error) {
	former := a.Snapshot().Former
	if former == "" {
		return a, nil
	}
	if err := s.vacate(ctx, former, a.ID()); err != nil {
		return nil, err
	}
	a, err := s.store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error { a.Moved(); return nil })
	return a, gone(err, errMailedToken)
}

// seize gives a mailbox that nobody else has proved to an account that has. Error: email-taken (409).
func (s *Service) seize(ctx context.Context, email account.Email, won store.Claim) (store.Claim, error) {
	for range attemptsAtClaim {
		claim, found, err := s.store.Claim(ctx, email)
		if err != nil {
			return claim, err
		}
		if found && claim.UserID == won.UserID && claim.Verified {
			return claim, nil
		}
		if found && claim.UserID != won.UserID {
			holder, err := s.store.Account(ctx, claim.UserID)
			if err != nil {
				return claim, err
			}
			if taken(claim, holder, email) {
				return claim, errTaken
			}
			if held(holder, email) {
				won.Previous = claim.UserID
			}
		}
		if err := s.claim(ctx, email, found, claim, won); !lost(err) {
			return won, err
		}
	}
	return store.Claim{}, errRace
}

// vacate frees a mailbox, if the account has it.
func (s *Service) vacate(ctx context.Context, email account.Email, id string) error {
	for range attemptsAtClaim {
		claim, found, err := s.store.Claim(ctx, email)
		if err != nil || !found || claim.UserID != id {
			return err
		}
		if err := s.store.DeleteClaim(ctx, email, claim); !lost(err) {
			return err
		}
	}
	return errRace
}
