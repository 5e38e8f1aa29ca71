package service

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
)

// deleteMe erases the caller's account, here and, by the event, wherever something of them is kept. Errors: as
// me; own-role (409).
func (s *Service) deleteMe(ctx context.Context) error {
	a, _, err := s.me(ctx)
	if err != nil {
		return err
	}
	if err := a.MayBeDeleted(); err != nil {
		return err
	}
	return s.remove(ctx, trail.Of(a.ID()))
}

// remove erases an account, if there is one. The record comes first: from then on the account is erased, whatever
// crashes (see Start).
func (s *Service) remove(ctx context.Context, r trail.Record) error {
	a, err := s.store.Account(ctx, r.UserID)
	if err != nil || a == nil || a.Deleted() {
		return err
	}
	if err := s.trail.Delete(ctx, r); err != nil {
		return err
	}
	return s.erase(ctx, r.UserID)
}

// dislodge erases the account that lost a mailbox, which it had not proved, to its owner; not one that has moved
// elsewhere since.
func (s *Service) dislodge(ctx context.Context, id string, mailbox account.Email) error {
	if id == "" {
		return nil
	}
	a, err := s.store.Account(ctx, id)
	if err != nil || a == nil || a.Deleted() || a.Snapshot().Email != mailbox {
		return err
	}
	return s.remove(ctx, trail.Unsigned(id))
}

// erase leaves an account's tombstone and nothing else: its mailbox is free, its sessions and mailed tokens are
// gone. Each step may be repeated. The mailbox comes first, because the account knows it; an account without one
// signs nobody in. Counts of attempts stay, under digests, for the day at most that they count.
func (s *Service) erase(ctx context.Context, id string) error {
	a, err := s.store.Account(ctx, id)
	if err != nil {
		return err
	}
	if a != nil && !a.Deleted() {
		for _, mailbox := range []account.Email{a.Snapshot().Email, a.Snapshot().Former} {
			if err := s.vacate(ctx, mailbox, id); err != nil {
				return err
			}
		}
	}
	_, err = s.store.ChangeAccount(ctx, id, func(a *account.Account) error { a.Erase(); return nil })
	if err != nil && !errors.Is(err, store.ErrNoAccount) {
		return err
	}
	if err := s.store.DropSessions(ctx, id); err != nil {
		return err
	}
	mails, err := s.trail.Mails(ctx, id, s.now().Add(-verifyLife))
	if err != nil {
		return err
	}
	for _, mail := range mails {
		if err := s.store.DeleteMailed(ctx, s.tokens.Token(mail)); err != nil {
			return err
		}
	}
	return nil
}
