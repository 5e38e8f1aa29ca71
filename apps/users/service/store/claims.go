package store

import (
	"cmp"
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
	key      string // under which it is stored
}

func claimKey(email account.Email) string { return "email/" + digest(string(email)) }

// claimKeys returns the key of the claim on a mailbox, and those that it may have if an earlier release has written it.
func claimKeys(email account.Email) []string {
	keys := []string{claimKey(email)}
	for _, spelling := range email.Spellings() {
		keys = append(keys, claimKey(account.Email(spelling)))
	}
	return keys
}

// claimOf returns the claim on a mailbox from the documents that were read. The claim is zero if there is none.
func claimOf(items map[string]sidecar.Item, email account.Email) (c Claim, err error) {
	for _, key := range claimKeys(email) {
		if item := items[key]; item.Found() {
			c.etag, c.key = item.ETag, key
			return c, sidecar.DecodeJSON(item, &c)
		}
	}
	return c, nil
}

// Claim reads the claim on a mailbox.
func (s *Store) Claim(ctx context.Context, email account.Email) (c Claim, found bool, err error) {
	c.key = claimKey(email)
	if c.etag, err = sidecar.ReadJSON(ctx, s.state, c.key, &c); err != nil || c.etag != "" {
		return c, c.etag != "", err
	}
	others := claimKeys(email)[1:]
	if len(others) == 0 {
		return Claim{}, false, nil
	}
	items, err := s.state.GetMany(ctx, others)
	if err == nil {
		c, err = claimOf(items, email)
	}
	return c, c.etag != "", err
}

// SaveClaim replaces the claim that was read, or creates the first one if read is the zero Claim. Errors:
// sidecar.ErrStale or sidecar.ErrExists if another writer was faster.
func (s *Store) SaveClaim(ctx context.Context, email account.Email, read, c Claim) error {
	return s.save(ctx, cmp.Or(read.key, claimKey(email)), c, read.etag)
}

// DeleteClaim deletes the claim that was read. Error: sidecar.ErrStale if another writer has replaced it.
func (s *Store) DeleteClaim(ctx context.Context, email account.Email, read Claim) error {
	return s.state.Delete(ctx, cmp.Or(read.key, claimKey(email)), read.etag)
}

func administratorKey(email account.Email) string { return "administrator/" + digest(string(email)) }

// administratorKeys is claimKeys for the mark.
func administratorKeys(email account.Email) []string {
	keys := []string{administratorKey(email)}
	for _, spelling := range email.Spellings() {
		keys = append(keys, administratorKey(account.Email(spelling)))
	}
	return keys
}

// AdministratorMade reports whether the first administrator with this mailbox was made.
func (s *Store) AdministratorMade(ctx context.Context, email account.Email) (bool, error) {
	items, err := s.state.GetMany(ctx, administratorKeys(email))
	return len(items) > 0, err
}

// MarkAdministratorMade stores that the first administrator with this mailbox was made.
func (s *Store) MarkAdministratorMade(ctx context.Context, email account.Email) error {
	return s.state.Put(ctx, administratorKey(email), []byte("{}"), "")
}
