// Package mailbox decides which account has a mailbox. An account claims a mailbox when it is registered, and proves it
// with a token from a mail to it. The package also requests these mails, and erases accounts, which releases their
// mailboxes.
package mailbox

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/signing"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/background"
	"haberdash/apps/users/service/directory"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Mailboxes has the mailboxes of all accounts. It is safe for concurrent use.
type Mailboxes struct {
	Store     *store.Store
	Directory *directory.Directory
	Trail     *trail.Trail
	Tokens    signing.MailTokens
	Tasks     *background.Tasks
	Now       func() time.Time
	NewID     func() string
}

// ErrTaken is the error for a mailbox that another account has proven: email-taken (409).
var ErrTaken = fault.New(fault.Conflict, "email-taken", "There is an account with this email address already.")

// Holder returns the account that has the mailbox, or nil.
func (m *Mailboxes) Holder(ctx context.Context, email account.Email) (*account.Account, error) {
	_, holder, err := m.read(ctx, email)
	if err != nil || !holder.Uses(email) {
		return nil, err
	}
	return holder, nil
}

// ProvenHolder returns the account that has proven the mailbox, or nil.
func (m *Mailboxes) ProvenHolder(ctx context.Context, email account.Email) (*account.Account, error) {
	claim, holder, err := m.read(ctx, email)
	if err != nil || !isProven(claim, holder, email) {
		return nil, err
	}
	return holder, nil
}

// IsTaken reports whether an account other than except has proven the mailbox.
func (m *Mailboxes) IsTaken(ctx context.Context, email account.Email, except string) (bool, error) {
	holder, err := m.ProvenHolder(ctx, email)
	return holder != nil && holder.ID() != except, err
}

// read reads the claim on a mailbox and its account. The claim is zero if there is none, and the account is nil if it
// does not exist. Without a claim this reads a key that does not exist, so that it takes the same time.
func (m *Mailboxes) read(ctx context.Context, email account.Email) (claim store.Claim, holder *account.Account,
	err error) {
	claim, _, err = m.Store.Claim(ctx, email)
	if err != nil {
		return claim, nil, err
	}
	holder, err = m.Store.Account(ctx, claim.UserID)
	return claim, holder, err
}

// isProven reports whether the account of the claim has proven the mailbox.
func isProven(claim store.Claim, holder *account.Account, email account.Email) bool {
	return holder.Uses(email) && (claim.Verified || holder.Verified())
}

// CreateAccount creates an account with the mailbox. If another account has the mailbox and has not proven it, the new
// account is a candidate: it is not stored, and is created when it proves the mailbox first (see Prove). Errors:
// email-taken (409); invalid-request (422) for the name.
func (m *Mailboxes) CreateAccount(ctx context.Context, email account.Email, name, hash string) (a *account.Account,
	candidate bool, err error) {
	id, number := m.NewID(), uint64(0)
	err = sidecar.RetryConflicts(func() error {
		claim, holder, err := m.read(ctx, email)
		if err != nil {
			return err
		}
		candidate = false
		switch {
		case isProven(claim, holder, email):
			return ErrTaken
		case holder.Uses(email):
			candidate = true
			a, err = account.New(m.NewID(), 0, email, name, hash, m.Now()) // the holder may have id: see below
			return err
		case claim.UserID != "" && holder == nil:
			// Another registration has written the claim. It has crashed, or has not created its account yet: see
			// Claim.
			a, err = account.New(claim.UserID, claim.Number, email, name, hash, m.Now())
		default:
			if number == 0 {
				if number, err = m.Directory.Add(ctx, id); err != nil {
					return err
				}
			}
			if err = m.Store.SaveClaim(ctx, email, claim, store.Claim{UserID: id, Number: number}); err != nil {
				return err
			}
			a, err = account.New(id, number, email, name, hash, m.Now())
		}
		if err != nil {
			return err
		}
		return m.Store.CreateAccount(ctx, a)
	})
	return a, candidate, err
}
