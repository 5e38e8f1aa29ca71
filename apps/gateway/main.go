// Gateway is the public address of the shop: every request from outside enters here.
package main

import (
	"context"
	"fmt"

	"github.com/caarlos0/env/v11"

	"haberdash/apps/gateway/service"
	"haberdash/internal/host"
	"haberdash/internal/sidecar/daprd"
)

func main() { host.Main("gateway", wire, host.Public) }

func wire(_ context.Context, h *host.Host) (func(context.Context) error, error) {
	config, err := env.ParseAs[service.Config]()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	gateway, err := service.New(service.Deps{
		Config: config, Invoker: h.Sidecar, Verifier: h.Verifier, Log: h.Log, Metrics: h.Registry,
		State: h.Sidecar.State(daprd.StateStore),
	})
	if err != nil {
		return nil, err
	}
	gateway.Mount(h.Server, h.Sidecar.Healthy)
	h.Log.Info().Interface("gateway", config).Msg("configured")
	return nil, nil
}
