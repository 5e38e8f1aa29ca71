// Package account holds the rules of a customer's account:
//
//  1. An account has one mailbox, compared in lower case, and never changes its id. It moves to another one that
//     was proved.
//  2. A password has 8 to 128 characters of any script; only its hash is kept.
//  3. A new password makes every session and every mailed token of before worthless (the epoch).
//  4. Whoever resets the password of an unproven mailbox has proved it; addresses saved before that may be
//     somebody else's and are dropped.
//  5. An administrator cannot give up the role or the account: another one takes the role away. So the
//     shop keeps an administrator.
//  6. A deleted account keeps its id, and nothing about the person.
//  7. An account keeps at most 50 addresses.
package account

import (
	"slices"
	"time"
	"unicode/utf8"

	"haberdash/internal/fault"
)

// Roles, in the order in which they are shown.
const (
	Customer = "customer"
	Staff    = "staff"
	Admin    = "admin"
)

var roleOrder = []string{Customer, Staff, Admin}

// Limits, in characters but for MaxAddresses.
const (
	MinPassword  = 8
	MaxPassword  = 128
	MaxName      = 200
	MaxAddresses = 50
)

// Account is one customer, member of staff or administrator. Make one with New, read one back with Restore.
type Account struct{ s Snapshot }

// Snapshot is all of an account's state, for storing it.
type Snapshot struct {
	ID           string
	Place        uint64 // where the directory of all accounts names it
	Email        Email
	Name         string
	PasswordHash string
	Verified     bool // mail to Email has been answered
	Roles        []string
	Addresses    []Address
	CreatedAt    time.Time
	Epoch        int   // counts passwords: what was issued under an earlier one is void
	Version      int   // counts changes
	Former       Email // the mailbox that the account has left and that is to be freed
	Deleted      bool
}

// New makes an unverified customer. A bad name is an invalid-request that blames body.name.
func New(id string, place uint64, email Email, name, passwordHash string, at time.Time) (*Account, error) {
	name, err := Name("body.name", name)
	if err != nil {
		return nil, err
	}
	return &Account{Snapshot{
		ID: id, Place: place, Email: email, Name: name, PasswordHash: passwordHash, Roles: []string{Customer},
		CreatedAt: at.UTC().Truncate(time.Millisecond), Epoch: 1, Version: 1,
	}}, nil
}

// Restore gives the account that was stored; nothing is checked again.
func Restore(s Snapshot) *Account { return &Account{s} }

// Snapshot gives a copy of the state.
func (a *Account) Snapshot() Snapshot {
	s := a.s
	s.Roles, s.Addresses = slices.Clone(s.Roles), slices.Clone(s.Addresses)
	return s
}

// ID never changes.
func (a *Account) ID() string { return a.s.ID }

// Epoch counts the passwords that the account has had.
func (a *Account) Epoch() int { return a.s.Epoch }

// Version counts the changes.
func (a *Account) Version() int { return a.s.Version }

// Deleted reports whether only the tombstone is left.
func (a *Account) Deleted() bool { return a.s.Deleted }

// Verified reports whether the mailbox is proven.
func (a *Account) Verified() bool { return a.s.Verified }

// Has reports whether the account holds exactly this role.
func (a *Account) Has(role string) bool { return slices.Contains(a.s.Roles, role) }

// Name checks and trims a person's name: 1 to 200 characters on one line.
func Name(location, typed string) (string, error) { return text(location, typed, 1, MaxName) }

// CheckPassword holds rule 2. The value is never part of the error.
func CheckPassword(location, password string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword || !utf8.ValidString(password) {
		return fault.BadField(location, "must have 8 to 128 characters")
	}
	return nil
}

// Rename changes the name; the same name is no change.
func (a *Account) Rename(location, typed string) error {
	name, err := Name(location, typed)
	if err != nil || name == a.s.Name {
		return err
	}
	a.s.Name = name
	a.s.Version++
	return nil
}

// Verify marks the mailbox as proven; once is enough.
func (a *Account) Verify() {
	if !a.s.Verified {
		a.s.Verified = true
		a.s.Version++
	}
}

// Move makes a mailbox that was proved the account's own, and remembers the one that it leaves until Moved.
func (a *Account) Move(to Email) {
	if a.s.Email != to {
		a.s.Email, a.s.Former, a.s.Verified = to, a.s.Email, true
		a.s.Version++
	}
}

// Moved forgets the mailbox that the account has left: it is free.
func (a *Account) Moved() {
	if a.s.Former != "" {
		a.s.Former = ""
		a.s.Version++
	}
}

// Left reports whether the account has left the mailbox, though the mailbox may not be free yet.
func (a *Account) Left(mailbox Email) bool { return a.s.Former == mailbox }

// SetPassword replaces the password and ends what was issued under the old one (rule 3).
func (a *Account) SetPassword(hash string) {
	a.s.PasswordHash = hash
	a.s.Epoch++
	a.s.Version++
}

// ResetPassword is SetPassword by somebody who reads the account's mail (rule 4).
func (a *Account) ResetPassword(hash string) {
	a.SetPassword(hash)
	if !a.s.Verified {
		a.s.Verified, a.s.Addresses = true, nil
	}
}

// SetRoles gives the account exactly these roles, in the order of the constants. by is the id of the
// administrator who does it. Errors: invalid-request; own-role (409) by rule 5.
func (a *Account) SetRoles(by string, roles []string) error {
	var set []string
	for _, known := range roleOrder {
		if slices.Contains(roles, known) {
			set = append(set, known)
		}
	}
	for _, r := range roles {
		if !slices.Contains(roleOrder, r) {
			return fault.BadField("body.roles", "must be customer, staff or admin")
		}
	}
	if len(set) == 0 {
		return fault.BadField("body.roles", "must name at least one role")
	}
	if len(set) < len(roles) {
		return fault.BadField("body.roles", "must not name a role twice")
	}
	if by == a.s.ID && a.Has(Admin) && !slices.Contains(set, Admin) {
		return fault.New(fault.Conflict, "own-role", "Another administrator has to take this role from you.")
	}
	if !slices.Equal(set, a.s.Roles) {
		a.s.Roles = set
		a.s.Version++
	}
	return nil
}

// MayBeDeleted refuses the owner's wish: own-role (409) by rule 5.
func (a *Account) MayBeDeleted() error {
	if a.Has(Admin) {
		return fault.New(fault.Conflict, "own-role", "An administrator's account cannot be deleted: have the role taken away first.")
	}
	return nil
}

// Erase leaves the id and no more (rule 6).
func (a *Account) Erase() {
	a.s = Snapshot{ID: a.s.ID, Place: a.s.Place, CreatedAt: a.s.CreatedAt, Epoch: a.s.Epoch + 1, Version: a.s.Version + 1, Deleted: true}
}
