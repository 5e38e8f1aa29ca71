package mailbox

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
)

// RecordWithNotice records an event of an account, with a mail that informs its owner, however many mails the mailbox
// has got.
func (m *Mailboxes) RecordWithNotice(ctx context.Context, event string, a *account.Account, r trail.Record) error {
	r.MailID = m.NewID()
	notice := store.MailToken{Kind: store.Notice, UserID: a.ID(), Email: a.Snapshot().Email, Name: a.Snapshot().Name,
		ExpiresAt: m.Now().Add(ttl(store.Notice)).UTC()}
	if err := m.Store.CreateMailToken(ctx, m.Tokens.Token(r.MailID), notice, ttl(store.Notice)); err != nil {
		return err
	}
	return m.Trail.Add(ctx, event, r)
}
