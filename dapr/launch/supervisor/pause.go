package supervisor

import (
	"errors"
	"fmt"
	"syscall"

	"haberdash/dapr/launch/process"
)

// Pause stops a process and its children without ending them, until Resume: they keep their connections and answer
// nothing.
func (s *Set) Pause(name string) error { return s.signal(name, syscall.SIGSTOP) }

// Resume lets a paused process and its children continue.
func (s *Set) Resume(name string) error { return s.signal(name, syscall.SIGCONT) }

func (s *Set) signal(name string, sig syscall.Signal) error {
	s.mu.Lock()
	e := s.entries[name]
	running := e != nil && e.exit == ""
	if running {
		e.paused = sig == syscall.SIGSTOP
	}
	s.mu.Unlock()
	if !running {
		return fmt.Errorf("%s is not running", name)
	}
	for _, p := range append(e.Children(), process.Process{PID: e.PID}) {
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s: %w", name, err)
		}
	}
	return nil
}
