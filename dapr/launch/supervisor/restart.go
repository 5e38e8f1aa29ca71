package supervisor

import (
	"fmt"

	"haberdash/dapr/launch/process"
)

// Detach records that somebody else runs the program of a process that has stopped, until Restart.
func (s *Set) Detach(name string) error {
	s.mu.Lock()
	e := s.entries[name]
	stopped := e != nil && e.exit != ""
	if stopped {
		e.expected, e.detached = true, true
	}
	s.mu.Unlock()
	if !stopped {
		return fmt.Errorf("%s is no process that has stopped", name)
	}
	s.onChange()
	return nil
}

// Command returns what Restart starts under a name.
func (s *Set) Command(name string) (process.Command, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[name]
	if e == nil {
		return process.Command{}, false
	}
	return e.Command, true
}

// Restart starts a process that has stopped with its command line, environment and directory. It does not wait until
// the process is ready: see Await.
func (s *Set) Restart(name string) error {
	s.mu.Lock()
	e := s.entries[name]
	s.mu.Unlock()
	if e == nil {
		return fmt.Errorf("no process %q", name)
	}
	select {
	case <-e.recorded:
	default:
		return fmt.Errorf("%s is still running", name)
	}
	command, _ := s.Command(name)
	if len(command.Env) == 0 {
		return fmt.Errorf("restart %s: this system does not show the environment of a process", name)
	}
	select {
	case <-s.died: // the caller repairs it
	default:
	}
	return s.Start(Spec{Name: e.Name, Kind: e.Kind, Ports: e.Ports, Command: command, Healthy: e.healthy})
}

// RestartWith is Restart with variables that replace those of the environment, also at later restarts.
func (s *Set) RestartWith(name string, vars map[string]string) error {
	s.SetVariables(name, vars)
	return s.Restart(name)
}

// SetVariables replaces variables of the environment with which Restart starts a process.
func (s *Set) SetVariables(name string, vars map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[name]; e != nil && len(e.Command.Env) > 0 {
		e.Command.Env = process.With(e.Command.Env, vars)
	}
}
