package store

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
)

type addressDoc struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

type accountDoc struct {
	ID           string       `json:"id"`
	Place        uint64       `json:"place"`
	Email        string       `json:"email"`
	Former       string       `json:"former,omitempty"`
	Name         string       `json:"name"`
	PasswordHash string       `json:"passwordHash"`
	Verified     bool         `json:"verified"`
	Roles        []string     `json:"roles"`
	Addresses    []addressDoc `json:"addresses,omitempty"`
	CreatedAt    time.Time    `json:"createdAt"`
	Epoch        int          `json:"epoch"`
	Version      int          `json:"version"`
	Deleted      bool         `json:"deleted,omitempty"`
}

func toDoc(a *account.Account) accountDoc {
	s := a.Snapshot()
	d := accountDoc{ID: s.ID, Place: s.Place, Email: string(s.Email), Former: string(s.Former), Name: s.Name, PasswordHash: s.PasswordHash, Verified: s.Verified,
		Roles: s.Roles, CreatedAt: s.CreatedAt, Epoch: s.Epoch, Version: s.Version, Deleted: s.Deleted}
	for _, x := range s.Addresses {
		d.Addresses = append(d.Addresses, addressDoc(x))
	}
	return d
}

func (d accountDoc) account() *account.Account {
	s := account.Snapshot{ID: d.ID, Place: d.Place, Email: account.Email(d.Email), Former: account.Email(d.Former), Name: d.Name, PasswordHash: d.PasswordHash, Verified: d.Verified,
		Roles: d.Roles, CreatedAt: d.CreatedAt, Epoch: d.Epoch, Version: d.Version, Deleted: d.Deleted}
	for _, x := range d.Addresses {
		s.Addresses = append(s.Addresses, account.Address(x))
	}
	return account.Restore(s)
}

func accountKey(id string) string { return "user/" + id }

// ErrNoAccount says that there is no account with the id, or only its tombstone.
var ErrNoAccount = errors.New("no such account")

// Account reads an account, tombstones included; nil if there never was one.
func (s *Store) Account(ctx context.Context, id string) (*account.Account, error) {
	var d accountDoc
	_, found, err := s.get(ctx, accountKey(id), &d)
	if err != nil || !found {
		return nil, err
	}
	return d.account(), nil
}

// CreateAccount writes a new account. Of several with one id exactly one is written; the others get
// sidecar.ErrExists.
func (s *Store) CreateAccount(ctx context.Context, a *account.Account) error {
	return s.create(ctx, accountKey(a.ID()), toDoc(a))
}

// ChangeAccount lets f change an account, again whenever somebody else came between, and gives the
// account as written. Nothing is written if f fails or changes nothing. Error: ErrNoAccount.
func (s *Store) ChangeAccount(ctx context.Context, id string, f func(*account.Account) error) (*account.Account, error) {
	var changed *account.Account
	err := change(ctx, s, accountKey(id), func(d *accountDoc, found bool) (bool, error) {
		if !found || d.Deleted {
			return false, ErrNoAccount
		}
		a := d.account()
		if err := f(a); err != nil {
			return false, err
		}
		changed = a
		if a.Version() == d.Version {
			return false, nil
		}
		*d = toDoc(a)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// Claim says which account a mailbox signs in to. It is written before the account that it names, so a
// crash between the two leaves a claim on an account that is not there: whoever comes next creates the
// account under that id, by put-if-absent, and can meet the first only as one of two contenders.
type Claim struct {
	UserID   string `json:"userId"`
	Place    uint64 `json:"place"`              // of the account in the directory
	Verified bool   `json:"verified"`           // nobody else can have the mailbox any more
	Previous string `json:"previous,omitempty"` // the unproven account that lost the mailbox to this one
	etag     string
}

func claimKey(email account.Email) string { return "email/" + digest(string(email)) }

// Claim reads a mailbox's claim.
func (s *Store) Claim(ctx context.Context, email account.Email) (c Claim, found bool, err error) {
	c.etag, found, err = s.get(ctx, claimKey(email), &c)
	return c, found, err
}

// CreateClaim writes the claim of a mailbox that has none: sidecar.ErrExists.
func (s *Store) CreateClaim(ctx context.Context, email account.Email, c Claim) error {
	return s.create(ctx, claimKey(email), c)
}

// ReplaceClaim writes a claim in the place of the one that was read: sidecar.ErrStale.
func (s *Store) ReplaceClaim(ctx context.Context, email account.Email, read, c Claim) error {
	return outage(s.state.Put(ctx, claimKey(email), encode(c), read.etag))
}

// DeleteClaim frees a mailbox: sidecar.ErrStale.
func (s *Store) DeleteClaim(ctx context.Context, email account.Email, read Claim) error {
	return outage(s.state.Delete(ctx, claimKey(email), read.etag))
}

func installedKey(email account.Email) string { return "administrator/" + digest(string(email)) }

type installedDoc struct{}

// Installed reports whether the first administrator of this mailbox was made.
func (s *Store) Installed(ctx context.Context, email account.Email) (bool, error) {
	_, found, err := s.get(ctx, installedKey(email), &installedDoc{})
	return found, err
}

// Install notes that it was.
func (s *Store) Install(ctx context.Context, email account.Email) error {
	return outage(s.state.Put(ctx, installedKey(email), encode(installedDoc{}), ""))
}
