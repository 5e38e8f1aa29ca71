package service

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/store"
	"haberdash/internal/telemetry"
)

// localPassword is the administrator's in a local shop. It stands in the documentation, so it opens no
// other shop, whatever the address.
const localPassword = "haberdash-admin-1"

// Administrator is the first administrator that the configuration names.
type Administrator struct {
	Email         string `env:"ADMIN_EMAIL"`
	Password      string `env:"ADMIN_PASSWORD" json:"-"`
	LocalDefaults string `env:"LOCAL_DEFAULTS" envDefault:"off"`
}

// check refuses what cannot be an administrator.
func (c Administrator) check() (account.Email, error) {
	if c.Email == "" || c.Password == "" {
		return "", errors.New("ADMIN_EMAIL and ADMIN_PASSWORD must be set together")
	}
	email, err := account.ParseEmail("ADMIN_EMAIL", c.Email)
	if err != nil {
		return "", err
	}
	if err := account.CheckPassword("ADMIN_PASSWORD", c.Password); err != nil {
		return "", err
	}
	if c.LocalDefaults != "on" && c.Password == localPassword {
		return "", errors.New("ADMIN_PASSWORD is the local default, which everybody knows: choose another, or set LOCAL_DEFAULTS=on on a laptop")
	}
	return email, nil
}

// EnsureAdministrator makes the first administrator, once for each address: neither a restart nor a changed
// environment touches the account afterwards, nor makes another when it has moved or is deleted. Several replicas
// may do this at once. An unproven account that a stranger opened under the address beforehand becomes the
// administrator's, with nothing left of the stranger's. Without configuration nothing is made.
func (s *Service) EnsureAdministrator(ctx context.Context, c Administrator) error {
	if c.Email == "" && c.Password == "" {
		telemetry.Log(ctx).Warn().Msg("no administrator is configured (ADMIN_EMAIL, ADMIN_PASSWORD)")
		return nil
	}
	email, err := c.check()
	if err != nil {
		return err
	}
	s.configured = email
	if done, err := s.store.Installed(ctx, email); err != nil || done {
		return err
	}
	for range attemptsAtClaim {
		holder, err := s.holder(ctx, email)
		if err != nil {
			return err
		}
		if holder == nil || !holder.Verified() {
			holder, err = s.install(ctx, email, c.Password)
		}
		if lost(err) {
			continue
		}
		if err != nil {
			return err
		}
		if !holder.Has(account.Admin) {
			telemetry.Log(ctx).Warn().Str("user", holder.ID()).Msg("the account of ADMIN_EMAIL is not an administrator any more, and is left so")
		}
		if err := s.markProven(ctx, store.Mailed{UserID: holder.ID(), Email: email}); err != nil {
			return err
		}
		return s.store.Install(ctx, email)
	}
	return errRace
}

// holder gives the live account of a mailbox, or nil.
func (s *Service) holder(ctx context.Context, email account.Email) (*account.Account, error) {
	claim, found, err := s.store.Claim(ctx, email)
	if err != nil || !found {
		return nil, err
	}
	a, err := s.store.Account(ctx, claim.UserID)
	if err != nil || !held(a, email) {
		return nil, err
	}
	return a, nil
}

func (s *Service) install(ctx context.Context, email account.Email, password string) (*account.Account, error) {
	hash, err := s.hasher.Hash(ctx, password)
	if err != nil {
		return nil, err
	}
	if _, _, err := s.admit(ctx, email, "Administrator", hash); err != nil && !errors.Is(err, errTaken) {
		return nil, err
	}
	a, err := s.holder(ctx, email)
	if err != nil || a == nil {
		return nil, errors.Join(err, errRace)
	}
	r := trail.Unsigned(a.ID())
	r.Was, r.Roles = a.Snapshot().Roles, []string{account.Customer, account.Staff, account.Admin}
	if err := s.trail.Add(ctx, trail.RolesChanged, r); err != nil {
		return nil, err
	}
	// Another replica may have done this between; its account is verified and stays.
	return s.store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Verified() {
			return nil
		}
		a.ResetPassword(hash)
		if err := a.Rename("name", "Administrator"); err != nil {
			return err
		}
		return a.SetRoles("", r.Roles)
	})
}
