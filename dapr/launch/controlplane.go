package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// ControlPlaneOptions describe a control plane of a test's own.
type ControlPlaneOptions struct {
	Root   string // default: FindRoot
	RunDir string // timers and logs go here; must exist
}

// A ControlPlane is what a sidecar needs for workflows.
type ControlPlane struct{ Placement, Scheduler *Backing }

// A Backing is a service behind the sidecars that dies with this process.
type Backing struct {
	*single
	Address string // host:port
}

// StartControlPlane starts a placement service and a scheduler on free ports and waits until both answer.
func StartControlPlane(ctx context.Context, o ControlPlaneOptions) (*ControlPlane, error) {
	placement, err := startBacking(ctx, o, portPlacement, func(t Tools, base int) service {
		return placementService(t.Placement, base, nil)
	})
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.RunDir, "scheduler")
	if err := os.MkdirAll(data, 0o755); err != nil {
		placement.Stop()
		return nil, err
	}
	scheduler, err := startBacking(ctx, o, portScheduler, func(t Tools, base int) service {
		return schedulerService(t.Scheduler, base, data, nil)
	})
	if err != nil {
		placement.Stop()
		return nil, err
	}
	return &ControlPlane{placement, scheduler}, nil
}

// Stop ends both gently. Stop the sidecars first.
func (c *ControlPlane) Stop() {
	c.Scheduler.Stop()
	c.Placement.Stop()
}

func startBacking(ctx context.Context, o ControlPlaneOptions, port int, describe func(Tools, int) service) (*Backing, error) {
	one, err := newSingle(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	if err := one.start(ctx, describe(one.tools, one.block.base), nil); err != nil {
		return nil, err
	}
	return &Backing{single: one, Address: fmt.Sprintf("127.0.0.1:%d", one.block.base+port)}, nil
}
