// Package account holds the rules of a user's account:
//
//  1. An account has one mailbox, compared by the normal form of its address (see emailaddress). It may change to another mailbox that was proven. Its id
//     never changes.
//  2. A password has 8 to 128 characters of any script. Only its hash is stored.
//  3. A new password ends every session and every mailed token that was issued before (see Epoch).
//  4. A user who resets the password of an unproven mailbox has proven the mailbox. The addresses that were saved
//     before are deleted, because somebody else may have saved them.
//  5. An administrator cannot give up the role or delete the account: another administrator must take the role away. So
//     there is always an administrator.
//  6. A deleted account keeps its id and no personal data.
//  7. An account has at most 50 addresses.
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

var roles = []string{Customer, Staff, Admin}

// Limits of passwords and names in characters, and of the number of addresses.
const (
	MinPassword  = 8
	MaxPassword  = 128
	MaxName      = 200
	MaxAddresses = 50
)

// Account is the account of a customer, a member of staff or an administrator. New makes one, Restore makes one that
// was stored. It is not safe for concurrent use.
type Account struct{ s Snapshot }

// Snapshot is the whole state of an account, for a store.
type Snapshot struct {
	ID           string
	Number       uint64 // of the account in the directory of accounts
	Email        Email
	Name         string
	PasswordHash string
	Verified     bool // the mailbox is proven
	Roles        []string
	Addresses    []Address
	CreatedAt    time.Time
	Epoch        int   // counts passwords: sessions and tokens of earlier epochs are void
	Version      int   // counts changes
	Former       Email // the mailbox before the last change, until it is released
	Deleted      bool
}

// New makes the account of a customer whose mailbox is not proven. Error: invalid-request (422) for the name.
func New(id string, number uint64, email Email, name, passwordHash string, at time.Time) (*Account, error) {
	name, err := Name(name)
	if err != nil {
		return nil, err
	}
	return &Account{Snapshot{
		ID: id, Number: number, Email: email, Name: name, PasswordHash: passwordHash, Roles: []string{Customer},
		CreatedAt: at.UTC().Truncate(time.Millisecond), Epoch: 1, Version: 1,
	}}, nil
}

// Restore makes an account from its stored state, without checks.
func Restore(s Snapshot) *Account { return &Account{s} }

// Snapshot returns a copy of the state.
func (a *Account) Snapshot() Snapshot {
	s := a.s
	s.Roles, s.Addresses = slices.Clone(s.Roles), slices.Clone(s.Addresses)
	return s
}

// ID returns the id.
func (a *Account) ID() string { return a.s.ID }

// Epoch returns how many passwords the account has had.
func (a *Account) Epoch() int { return a.s.Epoch }

// Version returns how many times the account was changed.
func (a *Account) Version() int { return a.s.Version }

// Deleted reports whether the account was erased.
func (a *Account) Deleted() bool { return a.s.Deleted }

// Verified reports whether the mailbox is proven.
func (a *Account) Verified() bool { return a.s.Verified }

// HasRole reports whether the account has the role.
func (a *Account) HasRole(role string) bool { return slices.Contains(a.s.Roles, role) }

// Name trims and checks the name of a person: 1 to 200 characters on one line. Error: invalid-request (422).
func Name(typed string) (string, error) { return checkText("name", typed, 1, MaxName) }

// CheckPassword checks rule 2. The error has the location, and never the password: invalid-request (422).
func CheckPassword(location, password string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword || n > MaxPassword || !utf8.ValidString(password) {
		return fault.BadField(location, "must have 8 to 128 characters")
	}
	return nil
}

// Rename changes the name. Error: invalid-request (422).
func (a *Account) Rename(typed string) error {
	name, err := Name(typed)
	if err != nil || name == a.s.Name {
		return err
	}
	a.s.Name = name
	a.s.Version++
	return nil
}

// SetPassword replaces the password and starts a new epoch (rule 3).
func (a *Account) SetPassword(hash string) {
	a.s.PasswordHash = hash
	a.s.Epoch++
	a.s.Version++
}

// ResetPassword is SetPassword for a user who has received a mail in the mailbox (rule 4).
func (a *Account) ResetPassword(hash string) {
	a.SetPassword(hash)
	if !a.s.Verified {
		a.s.Verified, a.s.Addresses = true, nil
	}
}

// SetRoles gives the account exactly the roles of set. by is the id of the administrator who does it. Errors:
// invalid-request (422); own-role (409), rule 5.
func (a *Account) SetRoles(by string, set []string) error {
	var sorted []string
	for _, role := range roles {
		if slices.Contains(set, role) {
			sorted = append(sorted, role)
		}
	}
	for _, role := range set {
		if !slices.Contains(roles, role) {
			return fault.BadField("roles", "must be customer, staff or admin")
		}
	}
	if len(sorted) == 0 {
		return fault.BadField("roles", "must name at least one role")
	}
	if len(sorted) < len(set) {
		return fault.BadField("roles", "must not name a role twice")
	}
	if by == a.s.ID && a.HasRole(Admin) && !slices.Contains(sorted, Admin) {
		return fault.New(fault.Conflict, "own-role", "Another administrator has to take this role from you.")
	}
	if !slices.Equal(sorted, a.s.Roles) {
		a.s.Roles = sorted
		a.s.Version++
	}
	return nil
}

// CheckDeletable refuses a user who wants to delete the account of an administrator: own-role (409), rule 5.
func (a *Account) CheckDeletable() error {
	if a.HasRole(Admin) {
		return fault.New(fault.Conflict, "own-role",
			"An administrator's account cannot be deleted: have the role taken away first.")
	}
	return nil
}

// Erase deletes all data but the id, the number in the directory and the time of creation (rule 6).
func (a *Account) Erase() {
	a.s = Snapshot{ID: a.s.ID, Number: a.s.Number, CreatedAt: a.s.CreatedAt, Epoch: a.s.Epoch + 1,
		Version: a.s.Version + 1, Deleted: true}
}
