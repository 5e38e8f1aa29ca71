package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
)

// ErrRunning means that another launcher owns the run directory.
var ErrRunning = errors.New("already running")

var shopCount atomic.Int64

// A Shop is a running shop that this process owns: when this process dies, so does the shop.
type Shop struct {
	opts  Options
	file  runFile // as rendered
	tools Tools
	guard *guard
	lock  *flock.Flock
	block *portBlock
	env   []string // of the dapr CLI, and so of every sidecar and app

	supplied map[string]string // what the chosen components need

	mu       sync.Mutex
	state    State
	running  map[string]*running
	expected map[string]bool // processes that are being stopped on purpose
	order    []string
	failed   chan error // the first death
}

// Start builds what is missing, starts a shop and waits until it is ready: every sidecar healthy and
// every app's /readyz answering 200. If anything stops on the way, everything is stopped again and the
// error says what stopped, why, and its last log lines.
func Start(ctx context.Context, o Options) (*Shop, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.RunDir); err != nil {
		return nil, err
	}
	s := &Shop{opts: o, running: map[string]*running{}, expected: map[string]bool{}, failed: make(chan error, 1)}
	s.lock = flock.New(lockPath(o.RunDir))
	if ok, err := s.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", o.RunDir, err)
	} else if !ok {
		return nil, ErrRunning
	}
	if err := s.start(ctx); err != nil {
		s.setError(err)
		s.shutDown(Failed)
		return nil, err
	}
	return s, nil
}

func lockPath(runDir string) string { return filepath.Join(runDir, "lock") }

func (s *Shop) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout+10*time.Minute) // the first build may be long
	defer cancel()
	if left := killLeftovers(s.opts.RunDir); len(left) > 0 {
		return fmt.Errorf("processes of an earlier run cannot be stopped: %v", left)
	}
	if s.opts.FreePorts {
		var err error
		if s.block, err = takeBlock(); err != nil {
			return err
		}
		s.opts.PortBase = s.block.base
		if s.opts.GatewayPort == 0 {
			s.opts.GatewayPort = s.block.base + portFirstApp
		}
	}
	file, err := readRunFile(runFilePath(s.opts.Root))
	if err != nil {
		return err
	}
	s.file = file.render(s.opts)
	if err := checkFree(s.opts.ports(s.file)); err != nil {
		return err
	}
	if s.supplied, err = s.opts.supply(); err != nil {
		return err
	}
	if s.tools, err = EnsureTools(ctx, s.opts.Root, s.opts.System, s.opts.Log); err != nil {
		return err
	}
	if !s.opts.SkipBuild && !s.opts.BackingOnly {
		if err := BuildApps(ctx, s.opts.Root, s.opts.Log, s.opts.Tags...); err != nil {
			return err
		}
	}
	if s.guard, err = startGuard(ctx, s.opts.Root, s.opts.Log); err != nil {
		return err
	}
	mark := fmt.Sprintf("%s-%d", s.guard.mark, shopCount.Add(1))
	if err := s.prepare(mark); err != nil {
		return err
	}
	created, _ := identify(os.Getpid())
	s.mu.Lock()
	s.state = State{
		RunID: mark, Status: Starting, StartedAt: time.Now().UTC(),
		Supervisor:  Process{Name: "supervisor", PID: os.Getpid(), Created: created},
		GatewayPort: s.opts.GatewayPort, PortBase: s.opts.PortBase,
		Choices: map[string]string{},
	}
	for _, c := range s.opts.choices() {
		s.state.Choices[c.variable] = *c.value
	}
	if s.opts.Secure {
		s.state.Choices["SECURE"] = "1"
	}
	s.mu.Unlock()

	ctx, cancelStart := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancelStart()
	if err := s.startBacking(ctx); err != nil {
		return err
	}
	if !s.opts.BackingOnly {
		if err := s.startApps(ctx); err != nil {
			return err
		}
		if err := s.Ready(ctx); err != nil {
			return err
		}
	}
	s.update(func(st *State) { st.Status, st.Phase = Ready, "" })
	return nil
}

// Stop ends the shop: apps drain first (the gateway before the others), then sidecars, then what stands
// behind them; then whatever is left is killed. Data stays.
func (s *Shop) Stop(context.Context) error { return s.shutDown(Stopped) }

func (s *Shop) shutDown(final string) error {
	var wasReady bool
	s.update(func(st *State) {
		wasReady = st.Status != Starting
		st.Status, st.Phase = Stopping, ""
	})
	s.stopAllProcesses(wasReady)
	var err error
	if s.guard != nil {
		if left := killAll(nil, s.state.RunID, 5*time.Second); len(left) > 0 {
			err = fmt.Errorf("still running: %v", left)
		}
	}
	s.update(func(st *State) { st.Status = final })
	s.block.release()
	return errors.Join(err, s.lock.Unlock())
}

// killLeftovers ends what a launcher that was killed together with its guard left behind.
func killLeftovers(runDir string) []Process {
	st, err := ReadState(runDir)
	if err != nil || st.RunID == "" {
		return nil
	}
	return killAll(st.Processes, st.RunID, 10*time.Second)
}

// update changes the state and writes it down. A state that cannot be written is only reported: the shop
// itself does not depend on it.
func (s *Shop) update(change func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
	s.state.Processes = s.state.Processes[:0]
	for _, name := range s.order {
		s.state.Processes = append(s.state.Processes, s.running[name].Process)
	}
	if err := s.state.write(s.opts.RunDir); err != nil {
		fmt.Fprintln(s.opts.Log, "state:", err)
	}
}

func (s *Shop) setError(err error) {
	s.update(func(st *State) {
		if created, e := identify(os.Getpid()); e == nil && st.Supervisor.PID == 0 {
			st.Supervisor = Process{Name: "supervisor", PID: os.Getpid(), Created: created}
			st.StartedAt = time.Now().UTC()
		}
		st.Error = err.Error()
	})
}

// State returns a copy of the current state.
func (s *Shop) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Processes = append([]Process(nil), s.state.Processes...)
	return st
}

// GatewayURL is the public address, without a slash at the end.
func (s *Shop) GatewayURL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.opts.GatewayPort) }

// AppURL is an app's own address, behind the mesh's back; empty for an unknown app.
func (s *Shop) AppURL(app string) string { return s.address(app, func(a runApp) int { return a.Port }) }

// SidecarHTTP is the address of an app's sidecar, HTTP API.
func (s *Shop) SidecarHTTP(app string) string {
	return s.address(app, func(a runApp) int { return a.HTTPPort })
}

// SidecarGRPC is host:port of an app's sidecar, gRPC API.
func (s *Shop) SidecarGRPC(app string) string {
	for _, a := range s.file.Apps {
		if a.AppID == app {
			return fmt.Sprintf("127.0.0.1:%d", a.GRPCPort)
		}
	}
	return ""
}

func (s *Shop) address(app string, port func(runApp) int) string {
	for _, a := range s.file.Apps {
		if a.AppID == app {
			return fmt.Sprintf("http://127.0.0.1:%d", port(a))
		}
	}
	return ""
}

// Apps lists the apps in the order of dapr/apps.yaml.
func (s *Shop) Apps() []string {
	var names []string
	for _, a := range s.file.Apps {
		names = append(names, a.AppID)
	}
	return names
}

// MailDir is where MAIL=files puts one .eml file a message.
func (s *Shop) MailDir() string { return filepath.Join(s.opts.RunDir, "mail") }

// RunDir holds the shop's data, logs and state.
func (s *Shop) RunDir() string { return s.opts.RunDir }
