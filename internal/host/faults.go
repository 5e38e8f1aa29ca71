package host

import (
	"context"
	"slices"
	"time"

	"haberdash/internal/faultflag"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar/daprd"
)

// newFaults makes the fault flags of a service, or returns nil if they are off. The settings are read from the store
// without its faults, so that they can be switched off.
func newFaults(ctx context.Context, app string, config Config, client *daprd.Client) (*faultflag.Flags, error) {
	if !bool(config.FaultFlags) || !slices.Contains(roster.WithFaults(), app) {
		return nil, nil
	}
	flags, err := faultflag.New(ctx, client.State(daprd.StateStore), time.Now)
	if err != nil {
		return nil, err
	}
	flags.Offer(faultflag.SlowStore, faultflag.FullDisk, faultflag.FailingRequests, faultflag.MemoryBallast)
	return flags, nil
}

// mountFaults adds the operations for fault flags, which answer 404 if the flags are off.
func (h *Host) mountFaults() {
	if slices.Contains(roster.WithFaults(), h.App) {
		faultflag.Mount(h.API, h.App, h.Faults)
	}
	if h.Faults != nil {
		h.Go("fault flags", h.Faults.Run)
	}
}
