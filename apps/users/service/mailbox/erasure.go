package mailbox

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// DeleteAccount deletes an account, if it exists. The deletion is recorded first: from then on the account is erased
// even after a crash, here (see ProcessDeletions) and in the services that receive the event.
func (m *Mailboxes) DeleteAccount(ctx context.Context, r trail.Record) error {
	a, err := m.Store.Account(ctx, r.UserID)
	if err != nil || a == nil || a.Deleted() {
		return err
	}
	if err := m.Trail.AddDeletion(ctx, r); err != nil {
		return err
	}
	return m.Erase(ctx, r.UserID)
}

// ProcessDeletions erases the accounts whose deletion is recorded, until ctx ends. Most were erased before; it
// completes what a crash has interrupted. A deletion whose documents are damaged is logged for the operator, because
// repetitions do not help, and the other deletions would wait for ever.
func (m *Mailboxes) ProcessDeletions(ctx context.Context) error {
	m.Trail.ProcessDeletions(ctx, func(ctx context.Context, id string) error {
		err := m.Erase(ctx, id)
		if errors.Is(err, sidecar.ErrCorrupt) {
			telemetry.Log(ctx).Error().Err(err).Str(field.User, id).Msg("a deleted account cannot be erased: mend its document")
			return nil
		}
		return err
	})
	return nil
}

// EraseFormerHolder deletes the account that has lost a mailbox, which it had not proven, to another account. It does
// nothing if the account has changed to another mailbox since, or if id is empty.
func (m *Mailboxes) EraseFormerHolder(ctx context.Context, id string, mailbox account.Email) error {
	if id == "" {
		return nil
	}
	a, err := m.Store.Account(ctx, id)
	if err != nil || a == nil || a.Deleted() || a.Snapshot().Email != mailbox {
		return err
	}
	return m.DeleteAccount(ctx, trail.Unsigned(id))
}

// Erase erases the data of an account whose deletion is recorded: it releases the mailbox and deletes the personal
// data, the sessions, the origins and the mailed tokens. Each step may be repeated. The mailbox is released first,
// because only the account names it, and an account without its mailbox cannot be signed in to. Counted attempts stay
// until they expire, after a day at most; their keys are digests.
func (m *Mailboxes) Erase(ctx context.Context, id string) error {
	a, err := m.Store.Account(ctx, id)
	if err != nil {
		return err
	}
	if a != nil && !a.Deleted() {
		for _, mailbox := range []account.Email{a.Snapshot().Email, a.Snapshot().Former} {
			if err := m.Release(ctx, mailbox, id); err != nil {
				return err
			}
		}
	}
	_, err = m.Store.ChangeAccount(ctx, id, func(a *account.Account) error { a.Erase(); return nil })
	if err != nil && !errors.Is(err, store.ErrNoAccount) {
		return err
	}
	if err := m.Store.EndAllSessions(ctx, id); err != nil {
		return err
	}
	if err := m.Store.DeleteOrigins(ctx, id); err != nil {
		return err
	}
	mails, err := m.Trail.MailsSince(ctx, id, m.Now().Add(-verifyTTL))
	if err != nil {
		return err
	}
	for _, mail := range mails {
		if err := m.Store.DeleteMailToken(ctx, m.Tokens.Token(mail)); err != nil {
			return err
		}
	}
	return nil
}
