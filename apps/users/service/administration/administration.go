// Package administration lets administrators find users, change their roles and read their audit trails. It also makes
// the first administrator, whom the configuration names.
package administration

import (
	"context"
	"strings"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/directory"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/contract"
	"haberdash/internal/emailaddress"
	"haberdash/internal/fault"
)

// Service serves administrators. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Directory *directory.Directory
	Mailboxes *mailbox.Mailboxes
	Trail     *trail.Trail
	SignIn    *signin.Service
	Hasher    *hasher.Hasher
}

// user reads an account that is not deleted. Error: not-found (404).
func (s *Service) user(ctx context.Context, id string) (*account.Account, error) {
	a, err := s.Store.Account(ctx, id)
	if err != nil {
		return nil, err
	}
	if a == nil || a.Deleted() {
		return nil, fault.Missing("user")
	}
	return a, nil
}

// setRoles gives a user exactly these roles. check may refuse to change the account as it is. Errors: as
// signin.Administrator; invalid-request (422); own-role (409); not-found (404).
func (s *Service) setRoles(ctx context.Context, id string, roles []string,
	check func(*account.Account) error) (*account.Account, error) {
	by, err := s.SignIn.Administrator(ctx)
	if err != nil {
		return nil, err
	}
	set := func(a *account.Account) error {
		if err := check(a); err != nil {
			return err
		}
		return a.SetRoles(by.ID(), roles)
	}
	a, err := s.user(ctx, id)
	if err != nil {
		return nil, err
	}
	was := a.Snapshot()
	if err := set(a); err != nil || a.Version() == was.Version {
		return a, err
	}
	r := trail.Record{UserFact: contract.UserFact{UserID: id}, By: by.ID(), Was: was.Roles, Roles: a.Snapshot().Roles}
	if err := s.Trail.Add(ctx, trail.RolesChanged, r); err != nil {
		return nil, err
	}
	a, err = s.Store.ChangeAccount(ctx, id, set)
	return a, store.IfNoAccount(err, fault.Missing("user"))
}

// matching returns a filter for accounts whose address or name contains a text, in any case, or whose id it is.
func matching(text string) func(*account.Account) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	address := emailaddress.Normal(text)
	return func(a *account.Account) bool {
		s := a.Snapshot()
		return text == "" || s.ID == text || strings.Contains(string(s.Email), text) || string(s.Email) == address ||
			strings.Contains(strings.ToLower(s.Name), text)
	}
}
