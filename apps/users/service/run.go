package service

import (
	"context"
	"fmt"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar/daprd"
)

// deadline bounds a request; what waits for its turn to hash gives up then.
const deadline = 15 * time.Second

// Run wires the service into its host. It fails when the configuration or the signing keys are wrong.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	admin, err := env.ParseAs[Administrator]()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	h.Log.Info().Interface("config", admin).Msg("administrator")
	start, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := New(start, Deps{State: h.Sidecar.State(daprd.StateStore), Publisher: h.Sidecar, Secrets: h.Sidecar, Now: time.Now})
	if err != nil {
		return nil, err
	}
	if err := s.EnsureAdministrator(start, admin); err != nil {
		return nil, fmt.Errorf("first administrator: %w", err)
	}
	s.Start(ctx)
	// The host's own routes would fetch the keys through the mesh, from this very service.
	routes := h.Server.Router.With(httpx.Deadline(deadline), httpx.Authenticate(s.Verifier()), httpx.Conditional)
	s.Mount(httpx.NewAPI(routes, "Haberdash users"))
	s.MountExport(h.API)
	return s.Close, nil
}
