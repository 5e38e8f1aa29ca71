package launch

import (
	"fmt"
	"syscall"
	"time"
)

// Kill ends a process with SIGKILL and waits until it is gone: an app ("orders"), its sidecar
// ("orders-daprd"), "broker", "scheduler", "placement" or "sentry".
func (s *Shop) Kill(name string) error {
	s.mu.Lock()
	r := s.running[name]
	s.expected[name] = true
	s.mu.Unlock()
	if r == nil {
		return fmt.Errorf("no process %q", name)
	}
	if r.Alive() {
		if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
	}
	<-r.done
	return nil
}

// Restart starts a process that has stopped with the command line, environment and directory that it
// had. It does not wait until the process is ready: see Ready.
func (s *Shop) Restart(name string) error {
	s.mu.Lock()
	r := s.running[name]
	s.mu.Unlock()
	if r == nil {
		return fmt.Errorf("no process %q", name)
	}
	select {
	case <-r.done:
	default:
		return fmt.Errorf("%s is still running", name)
	}
	if len(r.command.env) == 0 {
		return fmt.Errorf("restart %s: this system does not tell a process's environment", name)
	}
	p := Process{Name: r.Name, Kind: r.Kind, Ports: r.Ports}
	c := r.command
	c.log = r.Log
	select {
	case <-s.failed: // known, and about to be mended
	default:
	}
	if err := s.launch(p, c); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.expected, name)
	s.mu.Unlock()
	s.update(func(st *State) {
		if st.Status == Broken && s.allRunning() {
			st.Status, st.Error = Ready, ""
		}
	})
	return nil
}

func (s *Shop) allRunning() bool {
	for _, r := range s.running {
		if r.Exit != "" {
			return false
		}
	}
	return true
}

// How long each may take to end by itself. An app answers what it has accepted; a sidecar gives its own
// work five seconds (daprd's default).
const (
	appGrace     = 10 * time.Second
	sidecarGrace = 8 * time.Second
	backingGrace = 5 * time.Second
)

// stopAllProcesses stops the edge before what it calls, apps before their sidecars, and those before
// broker and scheduler: nothing loses what it still needs to finish its work.
func (s *Shop) stopAllProcesses(wasReady bool) {
	s.mu.Lock()
	var edge, apps, sidecars, backing []*running
	for _, name := range s.order {
		r := s.running[name]
		s.expected[name] = true
		switch {
		case r.Exit != "":
		case r.Kind == "app" && r.Ports["http"] == s.opts.GatewayPort:
			edge = append(edge, r)
		case r.Kind == "app":
			apps = append(apps, r)
		case r.Kind == "sidecar":
			sidecars = append(sidecars, r)
		default:
			backing = append([]*running{r}, backing...)
		}
	}
	s.mu.Unlock()
	patience := func(d time.Duration) time.Duration {
		if wasReady {
			return d
		}
		return time.Second // there is nothing to finish yet
	}
	stopAll(edge, patience(appGrace))
	stopAll(apps, patience(appGrace))
	stopAll(sidecars, patience(sidecarGrace))
	// The CLI, broker, scheduler, placement. A scheduler that is killed rather than stopped holds its lease
	// for 20 seconds, and the next start waits for it.
	for _, r := range backing {
		stopAll([]*running{r}, backingGrace)
	}
}
