package supervisor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"

	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

// Spec describes a process that a Set starts.
type Spec struct {
	Name, Kind string // see process.Process
	Ports      map[string]int
	Command    process.Command
	Healthy    Check // succeeds when the process is ready; nil: as soon as it has started
}

// Set is a set of processes that this program starts and watches, each under a name. All of them die with this program.
// It is safe for concurrent use.
type Set struct {
	log      io.Writer   // gets a message when a process stops unexpectedly
	onChange func()      // called after a process has started or stopped
	onDeath  func(error) // called before onChange when a process has stopped unexpectedly
	died     chan error  // the first unexpected end since the last restart

	mu      sync.Mutex
	guard   *process.Guard
	mark    string
	entries map[string]*entry
	order   []string // of the first start
}

type entry struct {
	*process.Running
	healthy  Check
	exit     string        // why it stopped
	recorded chan struct{} // closed after exit is set
	expected bool          // this program has asked it to stop
	paused   bool
	detached bool // somebody else runs the program
}

// NewSet returns an empty Set, and starts the guard of this program.
func NewSet(ctx context.Context, root string, log io.Writer) (*Set, error) {
	s := newSet(log)
	return s, s.StartGuard(ctx, root)
}

func newSet(log io.Writer) *Set {
	return &Set{
		log: log, onChange: func() {}, onDeath: func(error) {},
		died: make(chan error, 1), entries: map[string]*entry{},
	}
}

// StartGuard starts the guard of this program, and builds it before if it is missing. Processes can be started after
// it.
func (s *Set) StartGuard(ctx context.Context, root string) error {
	launcher, err := toolchain.EnsureLauncher(ctx, root, s.log)
	if err != nil {
		return err
	}
	guard, err := process.StartGuard(launcher)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.guard, s.mark = guard, guard.NewMark()
	s.mu.Unlock()
	return nil
}

// Start starts a process and does not wait until it is ready: see Await.
func (s *Set) Start(spec Spec) error {
	r, err := process.Start(spec.process(), spec.Command, s.guard, s.mark)
	if err == nil {
		s.add(r, spec.Healthy, r.Reason)
	}
	return err
}

// Watch adds a process that another process has started, identified by its pid and the time of its creation in Unix
// milliseconds. Its exit status is not known here, so reason finds out how it ended.
func (s *Set) Watch(pid int, created int64, spec Spec, reason func() string) {
	p := spec.process()
	p.PID, p.Created, p.Log = pid, created, spec.Command.Log
	s.add(process.Watch(p, spec.Command, s.guard), spec.Healthy, reason)
}

func (s Spec) process() process.Process {
	return process.Process{Name: s.Name, Kind: s.Kind, Ports: s.Ports}
}

func (s *Set) add(r *process.Running, healthy Check, reason func() string) {
	e := &entry{Running: r, healthy: healthy, recorded: make(chan struct{})}
	s.mu.Lock()
	if _, known := s.entries[r.Name]; !known {
		s.order = append(s.order, r.Name)
	}
	s.entries[r.Name] = e
	s.mu.Unlock()
	s.onChange()
	go func() {
		<-r.Done()
		s.exited(e, reason())
		close(e.recorded)
	}()
}

// exited records that a process has stopped and, unless this program has asked it to, reports it.
func (s *Set) exited(e *entry, reason string) {
	s.mu.Lock()
	e.exit = reason
	expected := e.expected
	s.mu.Unlock()
	if expected {
		s.onChange()
		return
	}
	err := Death(e.Process, reason)
	s.onDeath(err)
	s.onChange()
	fmt.Fprintln(s.log, err)
	select {
	case s.died <- err:
	default:
	}
}

// Death is the error that tells why a process has stopped, with the last lines of its log.
func Death(p process.Process, reason string) error {
	name := p.Name
	if p.Kind == process.KindSidecar {
		name = "the sidecar of " + strings.TrimSuffix(name, "-daprd")
	}
	if fatal := logs.FatalError(p.Log); fatal != "" {
		reason += ": " + fatal
	}
	return fmt.Errorf("%s stopped (%s); its last log lines:%s", name, reason, logs.Quote(p.Log, 12))
}

// Processes lists all processes, running and stopped, in the order in which they were first started.
func (s *Set) Processes() []process.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]process.Process, 0, len(s.order))
	for _, name := range s.order {
		e := s.entries[name]
		p := e.Process
		p.Exit, p.Detached = e.exit, e.detached
		list = append(list, p)
	}
	return list
}

// Process returns the process of a name; false if there is none.
func (s *Set) Process(name string) (process.Process, bool) {
	for _, p := range s.Processes() {
		if p.Name == name {
			return p, true
		}
	}
	return process.Process{}, false
}

// intact reports whether no process has stopped unexpectedly.
func (s *Set) intact() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.exit != "" && !e.expected {
			return false
		}
	}
	return true
}

// Kill ends a process and its children with SIGKILL and waits until they have stopped. Restart starts the process
// again.
func (s *Set) Kill(name string) error {
	e, err := s.expectEnd(name)
	if err != nil {
		return err
	}
	children := e.Children()
	if e.Alive() {
		if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
			return fmt.Errorf("kill %s: %w", name, err)
		}
	}
	<-e.recorded
	return killChildren(children)
}

// Terminate asks a process to stop, kills it if it has not when its grace is over, and waits until it has. It kills the
// children that the process leaves behind, which may still have its ports. Restart starts it again.
func (s *Set) Terminate(name string) error {
	e, err := s.expectEnd(name)
	if err != nil {
		return err
	}
	children := e.Children()
	s.terminate(e.Command.Grace, e)
	return killChildren(children)
}

func killChildren(children []process.Process) error {
	if len(children) == 0 {
		return nil
	}
	if left := process.KillAll(children, "", 5*time.Second); len(left) > 0 {
		return fmt.Errorf("cannot kill %v", left)
	}
	return nil
}

// TerminateAll stops all processes that still run: group after group of names, and those of a group at the same time.
// limit, if not 0, is the longest time that each has before it is killed.
func (s *Set) TerminateAll(limit time.Duration, groups ...[]string) {
	s.mu.Lock()
	for _, e := range s.entries {
		e.expected = true
	}
	s.mu.Unlock()
	for _, names := range groups {
		var list []*entry
		var grace time.Duration
		s.mu.Lock()
		for _, name := range names {
			if e := s.entries[name]; e != nil && e.exit == "" {
				list, grace = append(list, e), max(grace, e.Command.Grace)
			}
		}
		s.mu.Unlock()
		if limit > 0 {
			grace = min(grace, limit)
		}
		s.terminate(grace, list...)
	}
}

func (s *Set) terminate(grace time.Duration, list ...*entry) {
	var running []*process.Running
	for _, e := range list {
		s.mu.Lock()
		paused := e.paused
		s.mu.Unlock()
		if paused {
			_ = s.Resume(e.Name) // a paused process does not react to the signal
		}
		running = append(running, e.Running)
	}
	process.Terminate(running, grace)
	for _, e := range list {
		<-e.recorded
	}
}

func (s *Set) expectEnd(name string) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[name]
	if e == nil {
		return nil, fmt.Errorf("no process %q", name)
	}
	if e.exit == "" {
		e.expected = true
	}
	return e, nil
}
