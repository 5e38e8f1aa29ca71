package store

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/sidecar"
)

// Claim says which account has a mailbox. It is written before its account. After a crash in between, the account of
// the claim does not exist. The next registration of the mailbox then creates an account with the id of the claim. If
// the first registration was only slow, one of the two creates the account and the other one gets sidecar.ErrExists.
type Claim struct {
	UserID   string `json:"userId"`
	Number   uint64 `json:"place"`              // of the account in the directory
	Verified bool   `json:"verified"`           // the mailbox is proven, and cannot be claimed by another account
	Previous string `json:"previous,omitempty"` // the id of the unproven account that has lost the mailbox
	etag     string
}

func claimKey(email account.Email) string { return "email/" + digest(string(email)) }

// Claim reads the claim on a mailbox.
func (s *Store) Claim(ctx context.Context, email account.Email) (c Claim, found bool, err error) {
	c.etag, err = sidecar.ReadJSON(ctx, s.state, claimKey(email), &c)
	return c, c.etag != "", err
}

// SaveClaim replaces the claim that was read, or creates the first one if read is the zero Claim. Errors:
// sidecar.ErrStale or sidecar.ErrExists if another writer was faster.
func (s *Store) SaveClaim(ctx context.Context, email account.Email, read, c Claim) error {
	return s.save(ctx, claimKey(email), c, read.etag)
}

// DeleteClaim deletes the claim that was read. Error: sidecar.ErrStale if another writer has replaced it.
func (s *Store) DeleteClaim(ctx context.Context, email account.Email, read Claim) error {
	return s.state.Delete(ctx, claimKey(email), read.etag)
}

func administratorKey(email account.Email) string { return "administrator/" + digest(string(email)) }

// AdministratorMade reports whether the first administrator with this mailbox was made.
func (s *Store) AdministratorMade(ctx context.Context, email account.Email) (bool, error) {
	item, err := s.state.Get(ctx, administratorKey(email))
	return item.Found(), err
}

// MarkAdministratorMade stores that the first administrator with this mailbox was made.
func (s *Store) MarkAdministratorMade(ctx context.Context, email account.Email) error {
	return s.state.Put(ctx, administratorKey(email), []byte("{}"), "")
}
