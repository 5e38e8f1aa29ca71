package standalone

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// ControlPlaneOptions describe a control plane without a shop.
type ControlPlaneOptions struct {
	Root   string // default: toolchain.FindRoot
	RunDir string // of timers and logs; must exist
}

// ControlPlane is what a sidecar needs for actors and workflows.
type ControlPlane struct{ Placement, Scheduler *Service }

// Service is a program of the control plane.
type Service struct {
	*Process
	Address string // host:port
}

// StartControlPlane starts a placement service and a scheduler and waits until both answer.
func StartControlPlane(ctx context.Context, o ControlPlaneOptions) (*ControlPlane, error) {
	placement, err := startService(ctx, o, ports.Placement, func(t toolchain.Tools, base int) supervisor.Spec {
		return controlplane.Placement(t.Placement, base, nil)
	})
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.RunDir, "scheduler")
	if err := os.MkdirAll(data, 0o755); err != nil {
		placement.Stop()
		return nil, err
	}
	scheduler, err := startService(ctx, o, ports.Scheduler, func(t toolchain.Tools, base int) supervisor.Spec {
		return controlplane.Scheduler(t.Scheduler, base, data, nil)
	})
	if err != nil {
		placement.Stop()
		return nil, err
	}
	return &ControlPlane{placement, scheduler}, nil
}

// Stop ends both programs. Stop the sidecars before.
func (c *ControlPlane) Stop() {
	c.Scheduler.Stop()
	c.Placement.Stop()
}

func startService(
	ctx context.Context, o ControlPlaneOptions, port int, describe func(toolchain.Tools, int) supervisor.Spec,
) (*Service, error) {
	p, tools, err := newPlaceWithTools(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	started, err := p.start(ctx, describe(tools, p.block.Base), nil)
	if err != nil {
		return nil, err
	}
	return &Service{Process: started, Address: fmt.Sprintf("127.0.0.1:%d", p.block.Base+port)}, nil
}
