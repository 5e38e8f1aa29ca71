package administration

import (
	"context"
	"errors"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/mailbox"
	"haberdash/internal/host"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// localPassword is the administrator's password on a laptop. It is documented, so it is refused elsewhere.
const localPassword = "haberdash-admin-1"

// Administrator is the configuration of the first administrator.
type Administrator struct {
	Email         string      `env:"ADMIN_EMAIL"`
	Password      string      `env:"ADMIN_PASSWORD" secret:"true"`
	LocalDefaults host.Switch `env:"LOCAL_DEFAULTS" envDefault:"off"` // on: the documented password is accepted
}

// Check refuses invalid settings. No settings at all are valid.
func (c Administrator) Check() error {
	if c.Email == "" && c.Password == "" {
		return nil
	}
	if c.Email == "" || c.Password == "" {
		return errors.New("ADMIN_EMAIL and ADMIN_PASSWORD must be set together")
	}
	if _, err := account.ParseEmail("ADMIN_EMAIL", c.Email); err != nil {
		return err
	}
	if err := account.CheckLength("ADMIN_PASSWORD", c.Password); err != nil {
		return err
	}
	if !c.LocalDefaults && c.Password == localPassword {
		return errors.New("ADMIN_PASSWORD is the local default, which is public: " +
			"choose another password, or set LOCAL_DEFAULTS=on on a laptop")
	}
	return nil
}

// email is the mailbox of checked settings, empty if there are none.
func (c Administrator) email() account.Email {
	email, _ := account.ParseEmail("ADMIN_EMAIL", c.Email)
	return email
}

// ExportMark returns a function that exports the mark that EnsureAdministrator has made the administrator.
func (s *Service) ExportMark(c Administrator) func(context.Context, func(sidecar.Item) error) error {
	return func(ctx context.Context, put func(sidecar.Item) error) error {
		return s.Store.ExportAdministratorMark(ctx, c.email(), put)
	}
}

// EnsureAdministrator makes the first administrator with checked settings. It does so once for each mailbox: it does
// not change the account afterwards, whatever the settings are then, and makes no other account if the first one has
// changed to another mailbox or was deleted. An unproven account that somebody else has registered with the mailbox
// becomes the administrator's, without the other person's password and sessions. Several replicas may call it at once.
func (s *Service) EnsureAdministrator(ctx context.Context, c Administrator) error {
	email := c.email()
	if email == "" {
		telemetry.Log(ctx).Warn().Msg("no administrator is configured (ADMIN_EMAIL, ADMIN_PASSWORD)")
		return nil
	}
	if made, err := s.Store.AdministratorMade(ctx, email); err != nil || made {
		return err
	}
	hash := ""
	return sidecar.RetryConflicts(func() error {
		a, err := s.Mailboxes.Holder(ctx, email)
		if err != nil {
			return err
		}
		if a == nil || !a.Verified() {
			if hash == "" {
				// Checked only here: an installation whose administrator exists must still start.
				if err := account.CheckPassword("ADMIN_PASSWORD", c.Password, c.Email); err != nil {
					return err
				}
				if hash, err = s.Hasher.Hash(ctx, c.Password); err != nil {
					return err
				}
			}
			if a, err = s.makeAdministrator(ctx, email, hash); err != nil {
				return err
			}
		}
		if !a.HasRole(account.Admin) {
			telemetry.Log(ctx).Warn().Str(field.User, a.ID()).
				Msg("the account of ADMIN_EMAIL exists, but is not an administrator's; it is not changed")
		}
		if err := s.Mailboxes.MarkProven(ctx, email, a.ID()); err != nil {
			return err
		}
		return s.Store.MarkAdministratorMade(ctx, email)
	})
}

// makeAdministrator makes the account with the mailbox an administrator's, and creates it if there is none. Error:
// sidecar.ErrStale if another writer has changed the claim on the mailbox in between.
func (s *Service) makeAdministrator(ctx context.Context, email account.Email, hash string) (*account.Account, error) {
	const name = "Administrator"
	if _, _, err := s.Mailboxes.CreateAccount(ctx, email, name, hash); err != nil && !errors.Is(err, mailbox.ErrTaken) {
		return nil, err
	}
	a, err := s.Mailboxes.Holder(ctx, email)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, sidecar.ErrStale
	}
	r := trail.Unsigned(a.ID())
	r.Was, r.Roles = a.Snapshot().Roles, []string{account.Customer, account.Staff, account.Admin}
	if err := s.Trail.Add(ctx, trail.RolesChanged, r); err != nil {
		return nil, err
	}
	return s.Store.ChangeAccount(ctx, a.ID(), func(a *account.Account) error {
		if a.Verified() { // another replica has made it the administrator's in between
			return nil
		}
		a.ResetPassword(hash)
		if err := a.Rename(name); err != nil {
			return err
		}
		return a.SetRoles("", r.Roles)
	})
}
