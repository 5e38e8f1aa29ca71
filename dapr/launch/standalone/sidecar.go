package standalone

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
	"haberdash/internal/roster"
)

// SidecarOptions describe a sidecar without a shop.
type SidecarOptions struct {
	Root   string // default: toolchain.FindRoot
	RunDir string // working directory, for relative paths in components; must exist

	AppID          string
	AppPort        int      // 0: no app
	ResourcesPaths []string // directories of components, relative to Root
	ConfigFile     string   // relative to Root; default dapr/config.yaml
	Env            map[string]string
	Args           []string // more flags of daprd
	LogLevel       string   // default warn

	ControlPlane *ControlPlane // for actors and workflows; nil: the sidecar has none
}

// Sidecar is a daprd.
type Sidecar struct {
	*Process
	HTTPPort, GRPCPort int
}

// HTTP is the address of the sidecar's HTTP API, without a slash at the end.
func (s *Sidecar) HTTP() string { return fmt.Sprintf("http://127.0.0.1:%d", s.HTTPPort) }

// StartSidecar starts a daprd and waits until its components work. It does not wait for the app at AppPort.
func StartSidecar(ctx context.Context, o SidecarOptions) (*Sidecar, error) {
	p, tools, err := newPlaceWithTools(ctx, o.Root, o.RunDir, o.ResourcesPaths...)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(p.runDir, "data"), 0o755); err != nil {
		return nil, p.release(err)
	}
	if o.ConfigFile == "" {
		o.ConfigFile = filepath.Join("dapr", "config.yaml")
	}
	if o.LogLevel == "" {
		o.LogLevel = "warn"
	}
	base := p.block.Base
	args := []string{
		tools.Daprd, "--app-id", o.AppID, "--log-level", o.LogLevel,
		"--dapr-listen-addresses", "127.0.0.1",
		"--dapr-http-port", fmt.Sprint(base), "--dapr-grpc-port", fmt.Sprint(base + 1),
		"--dapr-internal-grpc-port", fmt.Sprint(base + 2), "--metrics-port", fmt.Sprint(base + 3),
		"--config", p.path(o.ConfigFile),
	}
	for _, r := range o.ResourcesPaths {
		args = append(args, "--resources-path", p.path(r))
	}
	if o.AppPort != 0 {
		args = append(args, "--app-port", fmt.Sprint(o.AppPort))
	}
	if c := o.ControlPlane; c != nil {
		args = append(args, "--placement-host-address", c.Placement.Address, "--scheduler-host-address", c.Scheduler.Address)
	}
	started, err := p.start(ctx, supervisor.Spec{
		Name: o.AppID + "-daprd", Kind: process.KindSidecar,
		Ports:   map[string]int{"http": base, "grpc": base + 1},
		Healthy: supervisor.HTTPCheck(base, "/v1.0/healthz/outbound"),
		Command: process.Command{Args: append(args, o.Args...)},
	}, o.Env)
	if err != nil {
		return nil, err
	}
	return &Sidecar{Process: started, HTTPPort: base, GRPCPort: base + 1}, nil
}

// BrokerOptions describe an embedded broker without a shop.
type BrokerOptions struct {
	Root   string // default: toolchain.FindRoot
	RunDir string // of its data and log; must exist
}

// Broker is an embedded broker.
type Broker struct {
	*Process
	Address string // host:port, for KAFKA_BROKERS
}

// StartBroker starts an embedded broker with all topics and waits until it listens.
func StartBroker(ctx context.Context, o BrokerOptions) (*Broker, error) {
	p, tools, err := newPlaceWithTools(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(p.runDir, "broker")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, p.release(err)
	}
	started, err := p.start(ctx, controlplane.Broker(tools.Broker, p.block.Base, data, roster.Topics()), nil)
	if err != nil {
		return nil, err
	}
	return &Broker{Process: started, Address: fmt.Sprintf("127.0.0.1:%d", p.block.Base)}, nil
}
