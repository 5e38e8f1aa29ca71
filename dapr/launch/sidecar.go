package launch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// SidecarOptions describe a bare sidecar, as the conformance tests use it.
type SidecarOptions struct {
	Root   string // default: FindRoot
	RunDir string // working directory: relative paths in components resolve here; must exist

	AppID          string
	AppPort        int      // 0: no app
	ResourcesPaths []string // directories of components, relative to Root
	ConfigFile     string   // relative to Root; default dapr/config.yaml
	Env            map[string]string
	Args           []string // further flags of daprd
	LogLevel       string   // default warn

	ControlPlane *ControlPlane // for workflows; none: no actors, no workflows
}

// A Sidecar is a daprd that dies with this process.
type Sidecar struct {
	*single
	HTTPPort, GRPCPort int
}

// HTTP is the address of the sidecar's HTTP API, GRPC is host:port of the other.
func (s *Sidecar) HTTP() string { return fmt.Sprintf("http://127.0.0.1:%d", s.HTTPPort) }
func (s *Sidecar) GRPC() string { return fmt.Sprintf("127.0.0.1:%d", s.GRPCPort) }

// StartSidecar starts a daprd on free ports and waits until its components work. Where AppPort is given,
// it does not wait for the app.
func StartSidecar(ctx context.Context, o SidecarOptions) (*Sidecar, error) {
	one, err := newSingle(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	base := one.block.base
	if o.ConfigFile == "" {
		o.ConfigFile = filepath.Join("dapr", "config.yaml")
	}
	if o.LogLevel == "" {
		o.LogLevel = "warn"
	}
	if err := os.MkdirAll(filepath.Join(o.RunDir, "data"), 0o755); err != nil {
		return nil, one.abandon(err)
	}
	args := []string{
		one.tools.Daprd, "--app-id", o.AppID, "--log-level", o.LogLevel,
		"--dapr-listen-addresses", "127.0.0.1",
		"--dapr-http-port", fmt.Sprint(base), "--dapr-grpc-port", fmt.Sprint(base + 1),
		"--dapr-internal-grpc-port", fmt.Sprint(base + 2), "--metrics-port", fmt.Sprint(base + 3),
		"--config", one.path(o.ConfigFile),
	}
	for _, r := range o.ResourcesPaths {
		args = append(args, "--resources-path", one.path(r))
	}
	if o.AppPort != 0 {
		args = append(args, "--app-port", fmt.Sprint(o.AppPort))
	}
	if c := o.ControlPlane; c != nil {
		args = append(args, "--placement-host-address", c.Placement.Address, "--scheduler-host-address", c.Scheduler.Address)
	}
	svc := service{
		name: o.AppID + "-daprd", args: append(args, o.Args...),
		ports:   map[string]int{"http": base, "grpc": base + 1},
		healthy: answers(base, "/v1.0/healthz/outbound"),
	}
	if err := one.start(ctx, svc, o.Env); err != nil {
		return nil, err
	}
	return &Sidecar{single: one, HTTPPort: base, GRPCPort: base + 1}, nil
}

// BrokerOptions describe an embedded broker of a test's own.
type BrokerOptions struct {
	Root   string // default: FindRoot
	RunDir string // data and log go here; must exist
}

// A Broker is an embedded broker that dies with this process.
type Broker struct {
	*single
	Address string // host:port, for KAFKA_BROKERS
}

// StartBroker starts an embedded broker with all topics on a free port and waits until it listens.
func StartBroker(ctx context.Context, o BrokerOptions) (*Broker, error) {
	one, err := newSingle(ctx, o.Root, o.RunDir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(o.RunDir, "broker")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, one.abandon(err)
	}
	if err := one.start(ctx, brokerService(one.tools.Broker, one.block.base, data), nil); err != nil {
		return nil, err
	}
	return &Broker{single: one, Address: fmt.Sprintf("127.0.0.1:%d", one.block.base)}, nil
}

// single is one process on a block of ports.
type single struct {
	root, runDir string
	tools        Tools
	guard        *guard
	block        *portBlock
	svc          service
	command      command
	run          *running
}

func newSingle(ctx context.Context, root, runDir string) (*single, error) {
	o, err := Options{Root: root, RunDir: runDir}.complete()
	if err != nil {
		return nil, err
	}
	s := &single{root: o.Root, runDir: o.RunDir}
	if s.tools, err = EnsureTools(ctx, o.Root, false, o.Log); err != nil {
		return nil, err
	}
	if s.guard, err = startGuard(ctx, o.Root, o.Log); err != nil {
		return nil, err
	}
	s.block, err = takeBlock()
	return s, err
}

func (s *single) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.root, p)
}

func (s *single) abandon(err error) error {
	s.block.release()
	return err
}

func (s *single) start(ctx context.Context, svc service, env map[string]string) error {
	vars := map[string]string{markVariable: s.guard.mark + "-" + newID()}
	for k, v := range env {
		vars[k] = v
	}
	var inherited []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "DAPR_") && !strings.HasPrefix(kv, "APP_") {
			inherited = append(inherited, kv)
		}
	}
	s.svc = svc
	s.command = command{
		args: svc.args, env: withEnv(inherited, vars), dir: s.runDir,
		log:  filepath.Join(s.runDir, svc.name+".log"),
		stop: svc.stop,
	}
	if err := s.begin(ctx); err != nil {
		return s.abandon(err)
	}
	return nil
}

func (s *single) begin(ctx context.Context) error {
	p := Process{Name: s.svc.name, Ports: s.svc.ports}
	reason := make(chan string, 1)
	r, err := spawn(p, s.command, s.guard, func(_ *running, why string) { reason <- why })
	if err != nil {
		return err
	}
	s.run = r
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for !s.svc.healthy(ctx) {
		select {
		case why := <-reason:
			if said := fatal(r.Log); said != "" {
				why += ": " + said
			}
			return fmt.Errorf("%s stopped (%s); its last log lines:%s", p.Name, why, Quote(r.Log, 12))
		case <-ctx.Done():
			stopAll([]*running{r}, 0)
			return fmt.Errorf("%s does not answer: %w; its last log lines:%s", p.Name, ctx.Err(), Quote(r.Log, 12))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// PID is the process's id; another one after a Restart.
func (s *single) PID() int { return s.run.PID }

// Stop ends the process gently and frees its ports.
func (s *single) Stop() {
	stopAll([]*running{s.run}, sidecarGrace)
	s.block.release()
}

// Kill ends it with SIGKILL; Restart brings it back on the same ports with the same data.
func (s *single) Kill() {
	if s.run.Alive() {
		_ = syscall.Kill(s.run.PID, syscall.SIGKILL)
	}
	<-s.run.done
}

// Restart starts it again after Kill and waits until it answers.
func (s *single) Restart(ctx context.Context) error { return s.begin(ctx) }
