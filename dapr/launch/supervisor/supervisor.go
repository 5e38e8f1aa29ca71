// Package supervisor starts, watches and stops sets of processes. A Set is only in memory: tests use it for single
// programs. A Supervisor is a Set that owns a run directory, with a lock, a state file and a cleanup of what a killed
// supervisor left behind: a shop is one, and so are the servers of `make infra`.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
)

// Supervisor owns a run directory and the processes of that run. Close releases the directory.
type Supervisor struct {
	*Set
	dir  string
	lock *rundir.Lock

	mu    sync.Mutex
	state rundir.State
}

// Open locks a run directory, which it creates if needed, and kills what is left of an earlier run. It returns
// rundir.ErrRunning if another supervisor has the directory. No process can be started before StartGuard.
func Open(dir string, log io.Writer) (*Supervisor, error) {
	lock, err := rundir.Acquire(dir)
	if err != nil {
		return nil, err
	}
	s := &Supervisor{Set: newSet(log), dir: dir, lock: lock}
	s.onChange, s.onDeath = s.processesChanged, s.processDied
	left := rundir.KillLeftovers(dir)
	s.Update(func(st *rundir.State) {
		st.Status, st.StartedAt = rundir.Starting, time.Now().UTC()
		st.Supervisor = process.Self("supervisor")
	})
	if len(left) > 0 {
		err := fmt.Errorf("processes of an earlier run cannot be stopped: %v", left)
		s.Update(func(st *rundir.State) { st.Error = err.Error() })
		return nil, errors.Join(err, s.Close(rundir.Failed))
	}
	return s, nil
}

// StartGuard is Set.StartGuard; the state then has the mark of the processes.
func (s *Supervisor) StartGuard(ctx context.Context, root string) error {
	if err := s.Set.StartGuard(ctx, root); err != nil {
		return err
	}
	s.Update(func(st *rundir.State) { st.RunID = s.mark })
	return nil
}

// Update changes the state and writes it to state.json. An error of the write is only logged: the processes do not
// depend on it.
func (s *Supervisor) Update(change func(*rundir.State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.state)
	s.state.Processes = s.Processes()
	if err := s.state.Write(s.dir); err != nil {
		fmt.Fprintln(s.log, "state:", err)
	}
}

// State returns a copy of the current state.
func (s *Supervisor) State() rundir.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Processes = append([]process.Process(nil), st.Processes...)
	return st
}

// Phase puts into the state and the log what a start is waiting for.
func (s *Supervisor) Phase(text string) {
	if s.State().Phase == text {
		return
	}
	s.Update(func(st *rundir.State) { st.Phase = text })
	fmt.Fprintln(s.log, text)
}

func (s *Supervisor) processDied(err error) {
	s.Update(func(st *rundir.State) {
		if st.Status == rundir.Stopping {
			return
		}
		st.Error = err.Error()
		if st.Status == rundir.Ready {
			st.Status = rundir.Broken
		}
	})
}

func (s *Supervisor) processesChanged() {
	intact := s.intact()
	s.Update(func(st *rundir.State) {
		if intact && st.Status == rundir.Broken {
			st.Status, st.Error = rundir.Ready, ""
		}
	})
}

// Close kills what is left of the processes, writes the final status and releases the run directory. Stop the processes
// before it: see TerminateAll.
func (s *Supervisor) Close(status string) error {
	var err error
	if left := process.KillAll(nil, s.mark, 5*time.Second); len(left) > 0 {
		err = fmt.Errorf("still running: %v", left)
	}
	s.Update(func(st *rundir.State) { st.Status = status })
	return errors.Join(err, s.lock.Release())
}
