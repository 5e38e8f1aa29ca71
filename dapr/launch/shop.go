// Package launch starts and stops a whole local shop: the control plane, the broker, and all apps with their sidecars
// under `dapr run -f`. `make up` and the tests use it. The packages below it do the parts.
package launch

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"haberdash/dapr/launch/apps"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// Shop is a running shop that dies with this process. Its processes are an app ("orders"), the sidecar of an app
// ("orders-daprd"), "broker", "scheduler", "placement", "sentry" and "dapr", the command line tool that starts the
// apps.
type Shop struct {
	*supervisor.Supervisor
	opts    config.Options
	file    runfile.File // as rendered
	tools   toolchain.Tools
	block   *ports.Block
	secrets map[string]string // that the chosen components need
	tracing map[string]string // OpenTelemetry's variables
	env     []string          // of the processes that are neither app nor sidecar

	changing sync.Mutex // restarts and the stop follow one another
}

// Start builds what is missing, starts a shop and waits until it is ready: every sidecar is healthy and every app
// answers /readyz with 200. If a process stops before that, Start stops all others, and the error has the reason and
// the last log lines. It returns rundir.ErrRunning if another process runs a shop on the run directory.
func Start(ctx context.Context, o config.Options) (*Shop, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	sup, err := supervisor.Open(o.RunDir, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Shop{Supervisor: sup, opts: o}
	if err := s.start(ctx); err != nil {
		s.Update(func(st *rundir.State) { st.Error = err.Error() })
		_ = s.stop(rundir.Failed)
		return nil, err
	}
	return s, nil
}

func (s *Shop) start(ctx context.Context) error {
	// The first build may take long.
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout+10*time.Minute)
	defer cancel()
	if err := s.choosePorts(); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return err
	}
	ctx, cancelStart := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancelStart()
	if err := s.startBacking(ctx); err != nil {
		return err
	}
	if !s.opts.BackingOnly {
		if err := s.createJoinedTopics(ctx); err != nil {
			return err
		}
		s.Phase("starting " + strings.Join(s.Apps(), ", "))
		run := apps.Run{Set: s.Set, File: s.file, RunDir: s.opts.RunDir, Dapr: s.tools.Dapr, Env: s.env}
		if err := run.Start(ctx); err != nil {
			return err
		}
		if err := s.Ready(ctx); err != nil {
			return err
		}
	}
	if err := s.checkSubscriptions(ctx); err != nil {
		return err
	}
	s.Update(func(st *rundir.State) { st.Status, st.Phase, st.Traces = rundir.Ready, "", exportsTo(s.tracing) })
	return nil
}

// choosePorts renders the run file with the ports of the shop. It fails if a port is in use or a secret is missing.
func (s *Shop) choosePorts() error {
	if s.opts.FreePorts {
		var err error
		if s.block, err = ports.Reserve(); err != nil {
			return err
		}
		s.opts.PortBase = s.block.Base
		if s.opts.GatewayPort == 0 {
			s.opts.GatewayPort = s.block.Base + ports.FirstApp
		}
	}
	file, err := runfile.Read(runfile.Source(s.opts.Root))
	if err != nil {
		return err
	}
	s.file = file.Render(s.opts)
	if err := ports.CheckFree(s.file.Ports(s.opts)); err != nil {
		return err
	}
	if s.opts.Tap != nil {
		s.file.Tap(s.opts.Tap)
	}
	s.Update(func(st *rundir.State) {
		st.GatewayPort, st.PortBase = s.opts.GatewayPort, s.opts.PortBase
		st.Choices = map[string]string{}
		for _, c := range s.opts.Choices() {
			st.Choices[c.Variable] = c.Value
		}
		if s.opts.Secure {
			st.Choices["SECURE"] = "1"
		}
		st.Joined, st.Replaced = runfile.JoinedApps(s.opts), map[string]string{}
		for _, a := range s.opts.Replacements {
			st.Replaced[a.ID] = a.Dir
		}
	})
	if s.secrets, err = s.opts.SecretValues(); err != nil {
		return err
	}
	settings, err := settingsOf(s.opts)
	s.Update(func(st *rundir.State) { st.Settings = settings })
	return err
}

func (s *Shop) build(ctx context.Context) (err error) {
	s.tools, err = toolchain.EnsureTools(ctx, s.opts.Root, s.opts.System, s.opts.Log, s.opts.Folders()...)
	if err != nil {
		return err
	}
	if !s.opts.SkipBuild && !s.opts.BackingOnly {
		if err := toolchain.BuildApps(ctx, s.opts.Root, s.opts.Log, s.opts.Tags...); err != nil {
			return err
		}
		if err := buildJoined(ctx, s.opts); err != nil {
			return err
		}
	}
	return s.StartGuard(ctx, s.opts.Root)
}

// Ready waits until every app and every sidecar is ready, at the start or after Restart. It leaves out the apps that
// are detached, and their sidecars, which wait for them.
func (s *Shop) Ready(ctx context.Context) error {
	var names []string
	for _, app := range s.Apps() {
		if !s.isDetached(app) {
			names = append(names, app, apps.SidecarOf(app))
		}
	}
	return s.Await(ctx, s.reportWaiting, names...)
}

// trust is where the certificates of the shop come from; nil without SECURE=1.
func trust(o config.Options) *controlplane.Trust {
	if !o.Secure {
		return nil
	}
	return &controlplane.Trust{
		Sentry:  fmt.Sprintf("127.0.0.1:%d", o.PortBase+ports.Sentry),
		Anchors: filepath.Join(issuerDir(o), controlplane.AnchorsFile),
	}
}

// issuerDir is the directory of the certificate authority, with its key. Without it, the next start creates a new one.
// With CERTIFICATES=short each start does, in a directory of its own.
func issuerDir(o config.Options) string {
	if o.ShortCertificates {
		return filepath.Join(o.RunDir, "sentry-short")
	}
	return filepath.Join(o.RunDir, "sentry")
}

// Stop stops the gateway first, then the other apps, then the sidecars, then what the sidecars need, so that each can
// finish its work. It kills what still runs after that. Data stays.
func (s *Shop) Stop(context.Context) error { return s.stop(rundir.Stopped) }

func (s *Shop) stop(status string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	var started bool
	s.Update(func(st *rundir.State) {
		started = st.Status != rundir.Starting
		st.Status, st.Phase = rundir.Stopping, ""
	})
	var limit time.Duration
	if !started {
		limit = time.Second // there is no work to finish yet
	}
	front, backing := s.stopOrder()
	s.TerminateAll(limit, front...)
	s.TerminateAll(0, backing...)
	err := s.Close(status)
	s.block.Release()
	return err
}

// stopOrder lists the running processes in the order in which they stop: the gateway before the apps that it calls,
// apps before their sidecars, and then, one after the other, the programs that sidecars need. These always get their
// time: a scheduler that is killed keeps its lease for 20 seconds, and the next start waits for it.
func (s *Shop) stopOrder() (front, backing [][]string) {
	var gateway, others, sidecars []string
	for _, p := range s.Processes() {
		switch {
		case p.Kind == process.KindApp && p.Ports["http"] == s.opts.GatewayPort:
			gateway = append(gateway, p.Name)
		case p.Kind == process.KindApp:
			others = append(others, p.Name)
		case p.Kind == process.KindSidecar:
			sidecars = append(sidecars, p.Name)
		default:
			backing = append(backing, []string{p.Name})
		}
	}
	slices.Reverse(backing)
	return [][]string{gateway, others, sidecars}, backing
}
