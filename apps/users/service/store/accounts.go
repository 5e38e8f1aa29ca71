package store

import (
	"context"
	"errors"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/factor"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
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

type factorDoc struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	Sealed    []byte    `json:"sealed"`
	CreatedAt time.Time `json:"createdAt"`
}

type accountDoc struct {
	ID           string       `json:"id"`
	Number       uint64       `json:"place"`
	Email        string       `json:"email"`
	Former       string       `json:"former,omitempty"`
	Name         string       `json:"name"`
	PasswordHash string       `json:"passwordHash"`
	Verified     bool         `json:"verified"`
	Roles        []string     `json:"roles"`
	Addresses    []addressDoc `json:"addresses,omitempty"`
	Factors      []factorDoc  `json:"secondFactors,omitempty"`
	Codes        []string     `json:"recoveryCodes,omitempty"` // digests
	CreatedAt    time.Time    `json:"createdAt"`
	Epoch        int          `json:"epoch"`
	Version      int          `json:"version"`
	Deleted      bool         `json:"deleted,omitempty"`
}

func toDoc(a *account.Account) accountDoc {
	s := a.Snapshot()
	d := accountDoc{ID: s.ID, Number: s.Number, Email: string(s.Email), Former: string(s.Former), Name: s.Name,
		PasswordHash: s.PasswordHash, Verified: s.Verified, Roles: s.Roles, CreatedAt: s.CreatedAt, Epoch: s.Epoch,
		Version: s.Version, Deleted: s.Deleted}
	for _, address := range s.Addresses {
		d.Addresses = append(d.Addresses, addressDoc(address))
	}
	for _, f := range s.Factors.Factors {
		d.Factors = append(d.Factors, factorDoc(f))
	}
	d.Codes = s.Factors.Codes
	return d
}

func (d accountDoc) account() *account.Account {
	s := account.Snapshot{ID: d.ID, Number: d.Number, Email: account.StoredEmail(d.Email),
		Former: account.StoredEmail(d.Former), Name: d.Name, PasswordHash: d.PasswordHash, Verified: d.Verified,
		Roles: d.Roles, CreatedAt: d.CreatedAt, Epoch: d.Epoch, Version: d.Version, Deleted: d.Deleted}
	for _, address := range d.Addresses {
		s.Addresses = append(s.Addresses, account.Address(address))
	}
	for _, f := range d.Factors {
		s.Factors.Factors = append(s.Factors.Factors, factor.Factor(f))
	}
	s.Factors.Codes = d.Codes
	return account.Restore(s)
}

func accountKey(id string) string { return "user/" + id }

// ErrNoAccount means that there is no account with the id, or that it was deleted.
var ErrNoAccount = errors.New("no such account")

// Account reads an account. It may be deleted; it is nil if it never existed.
func (s *Store) Account(ctx context.Context, id string) (*account.Account, error) {
	var d accountDoc
	etag, err := sidecar.ReadJSON(ctx, s.state, accountKey(id), &d)
	if err != nil || etag == "" {
		return nil, err
	}
	return d.account(), nil
}

// Accounts reads several accounts in one call. The result has those that exist, by id.
func (s *Store) Accounts(ctx context.Context, ids []string) (map[string]*account.Account, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = accountKey(id)
	}
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	accounts := make(map[string]*account.Account, len(items))
	for _, item := range items {
		var d accountDoc
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, err
		}
		accounts[d.ID] = d.account()
	}
	return accounts, nil
}

// CreateAccount writes a new account. Error: sidecar.ErrExists if there is one with its id.
func (s *Store) CreateAccount(ctx context.Context, a *account.Account) error {
	err := s.save(ctx, accountKey(a.ID()), toDoc(a), "")
	if err == nil {
		telemetry.Log(ctx).Info().Str(field.Action, "user.account-opened").Str(field.User, a.ID()).
			Msg("user.account-opened")
	}
	return err
}

// ChangeAccount changes an account and returns it as it is stored then. It calls change again if another writer has
// changed the account in between. It writes nothing if change returns an error or changes nothing. Error: ErrNoAccount.
func (s *Store) ChangeAccount(ctx context.Context, id string, change func(*account.Account) error) (*account.Account,
	error) {
	d, err := sidecar.Update(ctx, s.state, accountKey(id), func(d *accountDoc, found bool) (bool, error) {
		if !found || d.Deleted {
			return false, ErrNoAccount
		}
		a := d.account()
		if err := change(a); err != nil {
			return false, err
		}
		changed := a.Version() != d.Version
		*d = toDoc(a)
		return changed, nil
	})
	if err != nil {
		return nil, err
	}
	return d.account(), nil
}

// IfNoAccount returns instead if err is ErrNoAccount, and otherwise err.
func IfNoAccount(err, instead error) error {
	if errors.Is(err, ErrNoAccount) {
		return instead
	}
	return err
}
