// Package apps starts the apps of a run file and their sidecars with the dapr CLI, finds their processes, and puts them
// under supervision. The CLI reports the end of a process only in its log.
package apps

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/supervisor"
)

// How long a process may take to stop by itself. An app answers the requests that it has accepted; a sidecar finishes
// its own work, for which daprd has five seconds.
const (
	appGrace     = 10 * time.Second
	sidecarGrace = 8 * time.Second
	cliGrace     = 5 * time.Second
)

// Run is a run of `dapr run -f`.
type Run struct {
	Set    *supervisor.Set
	File   runfile.File // as rendered
	RunDir string
	Dapr   string // the dapr CLI
	Env    []string
}

// Names lists the processes of the apps and sidecars of a run file.
func Names(f runfile.File) (names []string) {
	for _, a := range f.Apps {
		names = append(names, a.AppID, SidecarOf(a.AppID))
	}
	return names
}

// SidecarOf is the name of the process of an app's sidecar.
func SidecarOf(app string) string { return app + "-daprd" }

// Start starts the CLI as process "dapr", and returns when all apps and sidecars are processes of the set. It does not
// wait until they are ready. It fails when a process stops.
func (r Run) Start(ctx context.Context) error {
	err := r.Set.Start(supervisor.Spec{Name: "dapr", Kind: process.KindCLI, Command: process.Command{
		Args: []string{r.Dapr, "run", "-f", runfile.Rendered(r.RunDir)}, Env: r.Env, Dir: r.RunDir,
		Log: filepath.Join(r.RunDir, "logs", "dapr.log"), Grace: cliGrace,
	}})
	if err != nil {
		return err
	}
	missing := Names(r.File)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); len(missing) > 0; {
		select {
		case err := <-r.Set.Died():
			return err
		case <-ctx.Done():
			return r.Set.NotReady(missing, time.Since(began), ctx.Err())
		case <-tick.C:
		}
		missing = r.discover(missing)
		if err := r.diedBeforeDiscovery(missing); err != nil {
			return err
		}
	}
	return nil
}

// discover watches those children of the CLI that are among the missing processes, and returns which are still missing.
func (r Run) discover(missing []string) []string {
	dapr, ok := r.Set.Process("dapr")
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
		env, _ := ps.Environ()
		spec, ok := r.recognise(args, env)
		if !ok || !slices.Contains(missing, spec.Name) {
			continue
		}
		created, err := ps.CreateTime()
		if err != nil {
			continue
		}
		spec.Command.Env = env
		if spec.Command.Args == nil {
			spec.Command.Args = args
			spec.Command.Dir, _ = ps.Cwd()
		}
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == spec.Name })
		r.Set.Watch(int(ps.Pid), created, spec, func() string { return exitReason(spec.Command.Log) })
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

// recognise finds out which app or sidecar has a command line and an environment. The script that starts an app of
// another folder becomes another program, which may be a script itself. So such an app is recognised by its token.
func (r Run) recognise(args, env []string) (supervisor.Spec, bool) {
	sidecar := slices.Index(args, "--app-id")
	for _, a := range r.File.Apps {
		switch {
		case filepath.Base(args[0]) == "daprd" && sidecar >= 0 && sidecar+1 < len(args) && args[sidecar+1] == a.AppID:
			return r.sidecarSpec(a), true
		case slices.Equal(args, a.Command):
			return r.appSpec(a), true
		case a.Folder != "" && sidecar < 0 && slices.Contains(env, runfile.AppToken+"="+a.Env[runfile.AppToken]):
			spec := r.appSpec(a)
			spec.Command.Args, spec.Command.Dir = a.Command, a.Dir
			return spec, true
		}
	}
	return supervisor.Spec{}, false
}

func (r Run) appSpec(a runfile.App) supervisor.Spec {
	ports := map[string]int{"http": a.Port}
	if port := a.OperationsPort(); port > 0 {
		ports["operations"] = port
	}
	return supervisor.Spec{
		Name: a.AppID, Kind: process.KindApp,
		Ports:   ports,
		Healthy: supervisor.HTTPCheck(a.Port, a.Ready),
		Command: process.Command{Log: logs.Latest(r.RunDir, a.AppID, "app"), Grace: appGrace},
	}
}

func (r Run) sidecarSpec(a runfile.App) supervisor.Spec {
	outbound := supervisor.HTTPCheck(a.HTTPPort, "/v1.0/healthz/outbound")
	all := supervisor.HTTPCheck(a.HTTPPort, "/v1.0/healthz")
	return supervisor.Spec{
		Name: SidecarOf(a.AppID), Kind: process.KindSidecar,
		Ports: map[string]int{
			"http": a.HTTPPort, "grpc": a.GRPCPort, "internal": a.InternalPort, "metrics": a.MetricsPort,
		},
		Healthy: func(ctx context.Context) bool { return outbound(ctx) && all(ctx) },
		Command: process.Command{Log: logs.Latest(r.RunDir, a.AppID, "daprd"), Grace: sidecarGrace},
	}
}

// diedBeforeDiscovery returns an error for a missing process that has stopped before discover found it. The CLI then
// continues without it, and only the log says so.
func (r Run) diedBeforeDiscovery(missing []string) error {
	for _, a := range r.File.Apps {
		for _, spec := range []supervisor.Spec{r.appSpec(a), r.sidecarSpec(a)} {
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
