// Package standalone starts single programs on free ports for tests: a sidecar, an embedded broker, a control plane for
// workflows, or a program of this module. All die with this process. A program that uses the package calls
// process.CloseGuard at its end.
package standalone

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

const (
	startTimeout = time.Minute
	grace        = 8 * time.Second // daprd gives its own work five seconds
)

// Process is a process on a block of ports of its own.
type Process struct {
	name  string
	set   *supervisor.Set
	block *ports.Block
}

// place is where a process runs, before it is started.
type place struct {
	root, runDir string
	block        *ports.Block
}

func newPlace(root, runDir string) (p place, err error) {
	if p.root, p.runDir, err = toolchain.Directories(root, runDir, ".run"); err != nil {
		return p, err
	}
	p.block, err = ports.Reserve()
	return p, err
}

// newPlaceWithTools also returns the programs of Dapr and the broker, which it builds if they are missing. The sidecar
// has the types of components of the folders.
func newPlaceWithTools(
	ctx context.Context, root, runDir string, folders ...string,
) (p place, t toolchain.Tools, err error) {
	if p, err = newPlace(root, runDir); err != nil {
		return p, t, err
	}
	if t, err = toolchain.EnsureTools(ctx, p.root, false, io.Discard, p.paths(folders)...); err != nil {
		p.block.Release()
	}
	return p, t, err
}

// path makes a path of the checkout absolute.
func (p place) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.root, name)
}

func (p place) paths(names []string) (list []string) {
	for _, name := range names {
		list = append(list, p.path(name))
	}
	return list
}

// start starts a process with more in its environment and waits until it is ready. After an error, nothing is left
// running and the ports are free again.
func (p place) start(ctx context.Context, spec supervisor.Spec, env map[string]string) (*Process, error) {
	set, err := supervisor.NewSet(ctx, p.root, io.Discard)
	if err != nil {
		return nil, p.release(err)
	}
	spec.Command.Env = process.Environment(env)
	spec.Command.Dir, spec.Command.Log = p.runDir, filepath.Join(p.runDir, spec.Name+".log")
	spec.Command.Grace = grace
	s := &Process{name: spec.Name, set: set, block: p.block}
	if err := set.Start(spec); err != nil {
		return nil, p.release(err)
	}
	if err := s.await(ctx); err != nil {
		set.TerminateAll(time.Millisecond, []string{s.name})
		return nil, p.release(err)
	}
	return s, nil
}

func (p place) release(err error) error {
	p.block.Release()
	return err
}

func (s *Process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.set.Await(ctx, nil, s.name)
}

// PID is the id of the process; Restart changes it.
func (s *Process) PID() int {
	p, _ := s.set.Process(s.name)
	return p.PID
}

// Stop ends the process and releases its ports.
func (s *Process) Stop() {
	_ = s.set.Terminate(s.name)
	s.block.Release()
}

// Kill ends the process with SIGKILL. Restart starts it again on the same ports with the same data.
func (s *Process) Kill() { _ = s.set.Kill(s.name) }

// Restart starts the process after Kill and waits until it is ready.
func (s *Process) Restart(ctx context.Context) error {
	if err := s.set.Restart(s.name); err != nil {
		return err
	}
	return s.await(ctx)
}
