package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/administration"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/registration"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/internal/commitlog"
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/roster"
)

const (
	requestTimeout = 15 * time.Second // also of requests that wait for a slot to hash a password
	startTimeout   = time.Minute
)

// Config is the configuration of the service.
type Config struct {
	administration.Administrator
	secondfactor.Config

	Registration registration.Mode `env:"REGISTRATION" envDefault:"verified"` // open: for trying the shop out
}

// Check implements the check of host.Configure.
func (c Config) Check() error { return errors.Join(c.Administrator.Check(), host.CheckShopURL(c.Shop)) }

// Run wires the users service. It fails if the configuration is invalid or the signing keys cannot be decrypted.
func Run(ctx context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	// The signing keys are exported first: every installation has its own, so an import finds out at once whether a
	// store is empty.
	h.Export(keyring.Export(h.State()))
	log, err := host.OpenLog(ctx, h, roster.UsersLog, trail.Model(),
		commitlog.Options{Now: time.Now, Committed: logDecisions})
	if err != nil {
		return err
	}
	start, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s, err := New(start, Deps{State: h.State(), Secrets: h.Sidecar, Log: log, Now: time.Now, NewID: NewID,
		Hashing: hasher.OWASP, Factors: config.Config, Metrics: h.Registry, Registration: config.Registration})
	if err != nil {
		return err
	}
	h.OnClose("background tasks", s.tasks.Wait)
	h.Export(s.directory.Export)
	h.Export(s.administration.ExportMark(config.Administrator))
	if err := s.administration.EnsureAdministrator(start, config.Administrator); err != nil {
		return fmt.Errorf("first administrator: %w", err)
	}
	h.Go("signing keys", s.keys.Run)
	h.Go("deletions", s.mailboxes.ProcessDeletions)
	// The API of the host would fetch the signing keys through the sidecar, from this very service.
	verifier := identity.NewVerifier(s.keys, time.Now)
	s.Mount(h.NewAPI(verifier, httpx.Deadline(requestTimeout)))
	return nil
}
