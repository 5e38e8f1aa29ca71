package launch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// launch starts a child of this process under a name.
func (s *Shop) launch(p Process, c command) error {
	r, err := spawn(p, c, s.guard, func(r *running, reason string) { s.stopped(r, reason) })
	if err != nil {
		return err
	}
	s.record(r)
	return nil
}

func (s *Shop) record(r *running) {
	s.mu.Lock()
	if _, known := s.running[r.Name]; !known {
		s.order = append(s.order, r.Name)
	}
	s.running[r.Name] = r
	s.mu.Unlock()
	s.update(func(*State) {})
}

// stopped notes a process that is gone and, unless that was wanted, says so.
func (s *Shop) stopped(r *running, reason string) {
	var err error
	s.mu.Lock()
	r.Exit = reason
	if !s.expected[r.Name] {
		err = s.obituary(r, reason)
	}
	s.mu.Unlock()
	s.update(func(st *State) {
		if err == nil || st.Status == Stopping {
			return
		}
		st.Error = err.Error()
		if st.Status == Ready {
			st.Status = Broken
		}
	})
	if err != nil {
		fmt.Fprintln(s.opts.Log, err)
		select {
		case s.failed <- err:
		default:
		}
	}
}

func (s *Shop) obituary(r *running, reason string) error {
	what := r.Name
	if r.Kind == "sidecar" {
		what = "the sidecar of " + strings.TrimSuffix(r.Name, "-daprd")
		if why := fatal(r.Log); why != "" {
			reason += ": " + why
		}
	}
	return fmt.Errorf("%s stopped (%s); its last log lines:%s", what, reason, Quote(r.Log, 12))
}

// startApps runs the dapr CLI on the rendered file and finds the processes that it starts.
func (s *Shop) startApps(ctx context.Context) error {
	s.phase("starting " + strings.Join(s.Apps(), ", "))
	cli := Process{Name: "dapr", Kind: "cli"}
	c := command{
		args: []string{s.tools.Dapr, "run", "-f", filepath.Join(s.opts.RunDir, "apps.yaml")},
		env:  s.env, dir: s.opts.RunDir, log: filepath.Join(s.opts.RunDir, "logs", "dapr.log"),
	}
	if err := s.launch(cli, c); err != nil {
		return err
	}
	missing := map[string]bool{}
	for _, a := range s.file.Apps {
		missing[a.AppID], missing[a.AppID+"-daprd"] = true, true
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(missing) > 0 {
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return s.notReady(sortedKeys(missing), ctx.Err())
		case <-tick.C:
		}
		s.discover(missing)
		if err := s.diedUnseen(missing); err != nil {
			return err
		}
	}
	return nil
}

// discover records the CLI's children that are apps and sidecars.
func (s *Shop) discover(missing map[string]bool) {
	cli, err := process.NewProcess(int32(s.running["dapr"].PID))
	if err != nil {
		return
	}
	children, err := cli.Children()
	if err != nil {
		return
	}
	for _, ps := range children {
		args, err := ps.CmdlineSlice()
		if err != nil || len(args) == 0 {
			continue
		}
		p, ok := s.recognise(args)
		if !ok || !missing[p.Name] {
			continue
		}
		created, err := ps.CreateTime()
		if err != nil {
			continue
		}
		p.PID, p.Created = int(ps.Pid), created
		c := command{args: args, log: p.Log}
		c.env, _ = ps.Environ()
		c.dir, _ = ps.Cwd()
		delete(missing, p.Name)
		s.record(adopt(p, c, s.guard, func(r *running) {
			// The CLI waits for the process and writes down how it ended.
			for range 10 {
				if reason := exitFromLog(r.Log); reason != "" {
					s.stopped(r, reason)
					return
				}
				time.Sleep(30 * time.Millisecond)
			}
			s.stopped(r, "unknown exit status")
		}))
	}
}

func (s *Shop) recognise(args []string) (Process, bool) {
	dir := s.opts.RunDir
	if filepath.Base(args[0]) == "daprd" {
		i := slices.Index(args, "--app-id")
		if i < 0 || i+1 >= len(args) {
			return Process{}, false
		}
		for _, a := range s.file.Apps {
			if a.AppID == args[i+1] {
				return Process{
					Name: a.AppID + "-daprd", Kind: "sidecar", Log: logFile(dir, a.AppID, "daprd"),
					Ports: map[string]int{"http": a.HTTPPort, "grpc": a.GRPCPort, "internal": a.InternalPort, "metrics": a.MetricsPort},
				}, true
			}
		}
	}
	for _, a := range s.file.Apps {
		if slices.Equal(args, a.Command) {
			return Process{Name: a.AppID, Kind: "app", Log: logFile(dir, a.AppID, "app"), Ports: map[string]int{"http": a.Port}}, true
		}
	}
	return Process{}, false
}

// diedUnseen finds processes that were gone before anyone could look: the CLI goes on without them.
func (s *Shop) diedUnseen(missing map[string]bool) error {
	for name := range missing {
		app, isSidecar := strings.CutSuffix(name, "-daprd")
		r := &running{Process: Process{Name: name, Kind: "app"}}
		if isSidecar {
			r.Kind, r.Log = "sidecar", logFile(s.opts.RunDir, app, "daprd")
		} else {
			r.Log = logFile(s.opts.RunDir, app, "app")
		}
		if reason := exitFromLog(r.Log); reason != "" {
			return s.obituary(r, reason)
		}
	}
	return nil
}

// Ready waits until every sidecar and app says that it is: also of use after Restart.
func (s *Shop) Ready(ctx context.Context) error {
	checks := map[string]func(context.Context) bool{}
	for _, a := range s.file.Apps {
		checks[a.AppID] = answers(a.Port, "/readyz")
		outbound, all := answers(a.HTTPPort, "/v1.0/healthz/outbound"), answers(a.HTTPPort, "/v1.0/healthz")
		checks[a.AppID+"-daprd"] = func(ctx context.Context) bool { return outbound(ctx) && all(ctx) }
	}
	return s.await(ctx, checks)
}

func (s *Shop) notReady(names []string, cause error) error {
	if errors.Is(cause, context.Canceled) {
		return cause
	}
	var b strings.Builder
	fmt.Fprintf(&b, "not ready after %s: %s", s.opts.StartTimeout, strings.Join(names, ", "))
	for _, name := range names {
		s.mu.Lock()
		r := s.running[name]
		s.mu.Unlock()
		if r != nil {
			fmt.Fprintf(&b, "\n  %s's last log lines:%s", name, Quote(r.Log, 8))
		}
	}
	return errors.New(b.String())
}

func (s *Shop) phase(text string) {
	s.mu.Lock()
	same := s.state.Phase == text
	s.mu.Unlock()
	if !same {
		s.update(func(st *State) { st.Phase = text })
		fmt.Fprintln(s.opts.Log, text)
	}
}
