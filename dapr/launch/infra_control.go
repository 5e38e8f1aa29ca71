package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// StopServer ends one server gently; StartServer brings it back. It fails for a server that was not started.
func (i *Infra) StopServer(name string) error {
	s, err := i.unwanted(name)
	if err == nil {
		stopAll([]*running{s.run}, infraGrace)
	}
	return err
}

// KillServer ends one server, and what it has started, with SIGKILL. It fails for a server that was not started.
func (i *Infra) KillServer(name string) error {
	s, err := i.unwanted(name)
	if err != nil {
		return err
	}
	// Postgres's backends would notice, but in their own time, and until then no new one can start.
	list := children(s.run.Process)
	s.Kill()
	if left := killAll(list, "", 5*time.Second); len(left) > 0 {
		return fmt.Errorf("cannot kill %v", left)
	}
	return nil
}

// PauseServer has a server hang: it keeps its connections and answers nothing, until ResumeServer. It fails for a
// server that does not run.
func (i *Infra) PauseServer(name string) error { return i.signal(name, syscall.SIGSTOP) }

// ResumeServer lets a paused server go on.
func (i *Infra) ResumeServer(name string) error { return i.signal(name, syscall.SIGCONT) }

// signal reaches a server and what it has started.
func (i *Infra) signal(name string, sig syscall.Signal) error {
	i.mu.Lock()
	s := i.servers[name]
	i.mu.Unlock()
	if s == nil || !s.run.Alive() {
		return fmt.Errorf("%s does not run", name)
	}
	for _, p := range append(children(s.run.Process), s.run.Process) {
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s: %w", name, err)
		}
	}
	return nil
}

// StartServer brings a server back after StopServer or KillServer, on the same port with the same data, and
// waits until it answers. One that runs is left as it is.
func (i *Infra) StartServer(ctx context.Context, name string) error {
	i.mu.Lock()
	s := i.servers[name]
	i.mu.Unlock()
	if s == nil {
		return fmt.Errorf("%s was not started with the others", name)
	}
	if s.run.Alive() {
		return nil
	}
	again := *s.single // so that nobody sees one process half exchanged for the other
	if err := again.Restart(ctx); err != nil {
		return err
	}
	i.add(name, &infraServer{single: &again, vars: s.vars})
	i.update(func(st *State) {
		for _, s := range i.servers {
			if s.want && !s.run.Alive() {
				return
			}
		}
		st.Status, st.Error = Ready, ""
	})
	return nil
}

func (i *Infra) unwanted(name string) (*infraServer, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.servers[name]
	if s == nil {
		return nil, fmt.Errorf("%s was not started", name)
	}
	s.want = false
	return s, nil
}

func children(p Process) []Process {
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return nil
	}
	all, _ := ps.Children()
	var list []Process
	for _, c := range all {
		if created, err := c.CreateTime(); err == nil {
			list = append(list, Process{Name: p.Name, PID: int(c.Pid), Created: created})
		}
	}
	return list
}

// InfraDown stops the servers of a directory and whatever a killed launcher left behind; data stays. It
// reports whether there was anything to stop.
func InfraDown(ctx context.Context, o InfraOptions) (bool, error) {
	o, err := o.complete()
	if err != nil {
		return false, err
	}
	st, err := ReadState(o.Dir)
	if err != nil {
		return false, err
	}
	was, err := Running(o.Dir)
	if err != nil {
		return was, err
	}
	if was {
		if err := stopSupervisor(ctx, o.Dir, st); err != nil {
			return was, err
		}
	}
	for _, p := range st.Processes {
		was = was || p.Alive()
	}
	if left := killLeftovers(o.Dir); len(left) > 0 {
		return was, fmt.Errorf("cannot stop %v", left)
	}
	return was, os.RemoveAll(InfraVarsFile(o.Dir))
}
