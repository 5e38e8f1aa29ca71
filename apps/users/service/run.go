package service

import (
	"context"
	"fmt"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar/daprd"
)

// deadline bounds a request; what waits for its turn to hash gives up then.
const deadline = 15 * time.Second

// Config is what the service reads from its environment.
type Config struct {
	Administrator
	// Rebuild is on to write all documents anew from the log first.
	Rebuild string `env:"REBUILD" envDefault:"off"`
}

// Run wires the service into its host. It fails when the configuration or the signing keys are wrong.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	config, err := env.ParseAs[Config]()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	h.Log.Info().Interface("config", config).Msg("administrator")
	start, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := New(start, Deps{State: h.Sidecar.State(daprd.StateStore), Publisher: h.Sidecar, Secrets: h.Sidecar, Now: time.Now,
		Log: commitlog.Options{Rebuild: config.Rebuild == "on"}})
	if err != nil {
		return nil, err
	}
	if err := s.EnsureAdministrator(start, config.Administrator); err != nil {
		return nil, fmt.Errorf("first administrator: %w", err)
	}
	s.Start(ctx)
	// The host's own routes would fetch the keys through the mesh, from this very service.
	routes := h.Server.Router.With(httpx.Deadline(deadline), httpx.Authenticate(s.Verifier()), httpx.Conditional)
	s.Mount(httpx.NewAPI(routes, "Haberdash users"))
	h.Server.Ready("log", logapi.Ready(s.log))
	s.MountAudit(h.API) // no deadline there
	s.MountExport(h.API)
	return s.Close, nil
}
