package launch

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/supervisor"
)

// startApps runs the dapr CLI on the rendered file and finds the processes that it starts.
func (s *Shop) startApps(ctx context.Context) error {
	s.Phase("starting " + strings.Join(s.Apps(), ", "))
	err := s.startProcess(supervisor.Spec{Name: "dapr", Kind: process.KindCLI, Command: process.Command{
		Args: []string{s.tools.Dapr, "run", "-f", runfile.Rendered(s.opts.RunDir)}, Grace: cliGrace,
	}})
	if err != nil {
		return err
	}
	missing := s.appsAndSidecars()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); len(missing) > 0; {
		select {
		case err := <-s.Died():
			return err
		case <-ctx.Done():
			return s.NotReady(missing, time.Since(began), ctx.Err())
		case <-tick.C:
		}
		missing = s.discover(missing)
		if err := s.diedBeforeDiscovery(missing); err != nil {
			return err
		}
	}
	return nil
}

// discover watches those children of the CLI that are among the missing processes, and returns which are still missing.
func (s *Shop) discover(missing []string) []string {
	dapr, ok := s.Process("dapr")
	if !ok {
		return missing
	}
	cli, err := gopsutil.NewProcess(int32(dapr.PID))
	if err != nil {
		return missing
	}
	children, err := cli.Children()
	if err != nil {
		return missing
	}
	for _, ps := range children {
		args, err := ps.CmdlineSlice()
		if err != nil || len(args) == 0 {
			continue
		}
		spec, ok := s.recognise(args)
		if !ok || !slices.Contains(missing, spec.Name) {
			continue
		}
		created, err := ps.CreateTime()
		if err != nil {
			continue
		}
		spec.Command.Args = args
		spec.Command.Env, _ = ps.Environ()
		spec.Command.Dir, _ = ps.Cwd()
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == spec.Name })
		s.Watch(int(ps.Pid), created, spec, func() string { return exitReason(spec.Command.Log) })
	}
	return missing
}

// exitReason waits until the CLI has written to the log how the process ended.
func exitReason(log string) string {
	for range 10 {
		if reason := logs.ExitReason(log); reason != "" {
			return reason
		}
		time.Sleep(30 * time.Millisecond)
	}
	return "unknown exit status"
}

// recognise finds out which app or sidecar has a command line.
func (s *Shop) recognise(args []string) (supervisor.Spec, bool) {
	for _, a := range s.file.Apps {
		if slices.Equal(args, a.Command) {
			return s.appSpec(a), true
		}
		i := slices.Index(args, "--app-id")
		if filepath.Base(args[0]) == "daprd" && i >= 0 && i+1 < len(args) && args[i+1] == a.AppID {
			return s.sidecarSpec(a), true
		}
	}
	return supervisor.Spec{}, false
}

func (s *Shop) appSpec(a runfile.App) supervisor.Spec {
	return supervisor.Spec{
		Name: a.AppID, Kind: process.KindApp,
		Ports:   map[string]int{"http": a.Port},
		Healthy: supervisor.HTTPCheck(a.Port, "/readyz"),
		Command: process.Command{Log: logs.Latest(s.opts.RunDir, a.AppID, "app"), Grace: appGrace},
	}
}

func (s *Shop) sidecarSpec(a runfile.App) supervisor.Spec {
	outbound := supervisor.HTTPCheck(a.HTTPPort, "/v1.0/healthz/outbound")
	all := supervisor.HTTPCheck(a.HTTPPort, "/v1.0/healthz")
	return supervisor.Spec{
		Name: sidecarOf(a.AppID), Kind: process.KindSidecar,
		Ports: map[string]int{
			"http": a.HTTPPort, "grpc": a.GRPCPort, "internal": a.InternalPort, "metrics": a.MetricsPort,
		},
		Healthy: func(ctx context.Context) bool { return outbound(ctx) && all(ctx) },
		Command: process.Command{Log: logs.Latest(s.opts.RunDir, a.AppID, "daprd"), Grace: sidecarGrace},
	}
}

// diedBeforeDiscovery returns an error for a missing process that has stopped before discover found it. The CLI continues
// without it, and only the log tells.
func (s *Shop) diedBeforeDiscovery(missing []string) error {
	for _, a := range s.file.Apps {
		for _, spec := range []supervisor.Spec{s.appSpec(a), s.sidecarSpec(a)} {
			if !slices.Contains(missing, spec.Name) {
				continue
			}
			if reason := logs.ExitReason(spec.Command.Log); reason != "" {
				return supervisor.Death(process.Process{Name: spec.Name, Kind: spec.Kind, Log: spec.Command.Log}, reason)
			}
		}
	}
	return nil
}

// stopOrder lists the running processes in the order in which they stop: the gateway before the apps that it calls, apps
// before their sidecars, and then, one after the other, the programs that sidecars need. These always get their time: a
// scheduler that is killed keeps its lease for 20 seconds, and the next start waits for it.
func (s *Shop) stopOrder() (front, backing [][]string) {
	var gateway, apps, sidecars []string
	for _, p := range s.Processes() {
		switch {
		case p.Kind == process.KindApp && p.Ports["http"] == s.opts.GatewayPort:
			gateway = append(gateway, p.Name)
		case p.Kind == process.KindApp:
			apps = append(apps, p.Name)
		case p.Kind == process.KindSidecar:
			sidecars = append(sidecars, p.Name)
		default:
			backing = append(backing, []string{p.Name})
		}
	}
	slices.Reverse(backing)
	return [][]string{gateway, apps, sidecars}, backing
}
