package mailbox

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/store"
	"haberdash/internal/sidecar"
)

// Prove makes the account of a mailed token the proven holder of the mailbox. An account that had the mailbox without a
// proof is erased. Each step may be repeated after a crash. Error: invalid-token (422).
func (m *Mailboxes) Prove(ctx context.Context, t store.MailToken) error {
	return sidecar.RetryConflicts(func() error {
		claim, found, err := m.Store.Claim(ctx, t.Email)
		if err != nil {
			return err
		}
		if !found && t.Candidate == nil {
			return ErrInvalidToken
		}
		if claim.UserID != t.UserID { // also if nobody has the mailbox
			claim, err = m.replaceHolder(ctx, t, claim)
		} else {
			err = m.markProven(ctx, t.Email, claim)
		}
		if err != nil {
			return err
		}
		_, err = m.Store.ChangeAccount(ctx, t.UserID, func(a *account.Account) error { a.Verify(); return nil })
		if err != nil {
			return store.IfNoAccount(err, ErrInvalidToken)
		}
		return m.EraseFormerHolder(ctx, claim.Previous, t.Email)
	})
}

// replaceHolder gives a mailbox to the candidate of a token, if nobody has it or in place of an account that has not
// proven it. It returns the new claim. Error: invalid-token (422).
func (m *Mailboxes) replaceHolder(ctx context.Context, t store.MailToken, claim store.Claim) (store.Claim, error) {
	if t.Candidate == nil {
		return claim, ErrInvalidToken
	}
	holder, err := m.Store.Account(ctx, claim.UserID)
	if err != nil {
		return claim, err
	}
	if isProven(claim, holder, t.Email) {
		// The candidate is too late. Its account may exist if it lost a race for the mailbox here.
		return claim, errors.Join(ErrInvalidToken, m.EraseFormerHolder(ctx, t.UserID, t.Email))
	}
	a, err := m.candidate(ctx, t)
	if err != nil {
		return claim, err
	}
	replaced := store.Claim{UserID: t.UserID, Number: a.Snapshot().Number, Verified: true, Previous: claim.UserID}
	return replaced, m.Store.SaveClaim(ctx, t.Email, claim, replaced)
}

// candidate returns the account of the candidate of a token, and creates it if it does not exist. Error: invalid-token
// (422) if it was deleted or has changed to another mailbox.
func (m *Mailboxes) candidate(ctx context.Context, t store.MailToken) (*account.Account, error) {
	a, err := m.Store.Account(ctx, t.UserID)
	if err != nil {
		return nil, err
	}
	if a != nil {
		if a.Deleted() || a.Snapshot().Email != t.Email {
			return nil, ErrInvalidToken
		}
		return a, nil
	}
	number, err := m.Directory.Add(ctx, t.UserID)
	if err != nil {
		return nil, err
	}
	a, err = account.New(t.UserID, number, t.Email, t.Name, t.Candidate.PasswordHash, t.Candidate.CreatedAt)
	if err != nil {
		return nil, err
	}
	a.Verify()
	return a, m.Store.CreateAccount(ctx, a)
}

// MarkProven marks the claim of an account on its mailbox as proven. Error: invalid-token (422) if another account has
// the mailbox.
func (m *Mailboxes) MarkProven(ctx context.Context, email account.Email, id string) error {
	return sidecar.RetryConflicts(func() error {
		claim, found, err := m.Store.Claim(ctx, email)
		if err != nil {
			return err
		}
		if !found || claim.UserID != id {
			return ErrInvalidToken
		}
		return m.markProven(ctx, email, claim)
	})
}

func (m *Mailboxes) markProven(ctx context.Context, email account.Email, claim store.Claim) error {
	if claim.Verified {
		return nil
	}
	proven := claim
	proven.Verified = true
	return m.Store.SaveClaim(ctx, email, claim, proven)
}

// Acquire gives the mailbox to an account that has proven it and has another one until now. previous is the id of the
// account that has lost the mailbox, if there is one. Error: email-taken (409).
func (m *Mailboxes) Acquire(ctx context.Context, email account.Email, a *account.Account) (previous string, err error) {
	err = sidecar.RetryConflicts(func() error {
		claim, found, err := m.Store.Claim(ctx, email)
		if err != nil {
			return err
		}
		if claim.UserID == a.ID() && claim.Verified { // before a crash
			previous = claim.Previous
			return nil
		}
		previous = ""
		if found && claim.UserID != a.ID() {
			holder, err := m.Store.Account(ctx, claim.UserID)
			if err != nil {
				return err
			}
			if isProven(claim, holder, email) {
				return ErrTaken
			}
			if holder.Uses(email) {
				previous = claim.UserID
			}
		}
		acquired := store.Claim{UserID: a.ID(), Number: a.Snapshot().Number, Verified: true, Previous: previous}
		return m.Store.SaveClaim(ctx, email, claim, acquired)
	})
	return previous, err
}

// Release makes the mailbox free, if the account has it.
func (m *Mailboxes) Release(ctx context.Context, email account.Email, id string) error {
	return sidecar.RetryConflicts(func() error {
		claim, found, err := m.Store.Claim(ctx, email)
		if err != nil || !found || claim.UserID != id {
			return err
		}
		return m.Store.DeleteClaim(ctx, email, claim)
	})
}
