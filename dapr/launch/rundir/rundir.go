package rundir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

// ErrRunning is returned for a run directory that belongs to a supervisor.
var ErrRunning = errors.New("already running")

// Lock is the lock of a run directory. It ends with the process that holds it.
type Lock struct{ file *flock.Flock }

// Acquire locks a run directory, which it creates if needed, and which only its owner can open. It returns ErrRunning
// if another supervisor has the lock.
func Acquire(dir string) (*Lock, error) {
	if err := toolchain.MakeDir(dir); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // the data and the secrets are in it
		return nil, err
	}
	return acquire(dir)
}

func acquire(dir string) (*Lock, error) {
	lock := flock.New(filepath.Join(dir, "lock"))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	} else if !ok {
		return nil, ErrRunning
	}
	return &Lock{lock}, nil
}

// Release unlocks the run directory.
func (l *Lock) Release() error { return l.file.Unlock() }

// Running reports whether a supervisor owns the run directory.
func Running(dir string) (bool, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	lock, err := acquire(dir)
	if errors.Is(err, ErrRunning) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Release()
}

// stopTimeout is how long a supervisor may take to stop everything: longer than all graces of a shop together.
const stopTimeout = 48 * time.Second

// Down stops the supervisor of a run directory, and what a killed one left behind. It returns the last state, and
// reports whether there was anything to stop.
func Down(ctx context.Context, dir string) (st State, was bool, err error) {
	if st, err = ReadState(dir); err != nil {
		return st, false, err
	}
	if was, err = Running(dir); err != nil {
		return st, was, err
	}
	if was {
		if err := stop(ctx, dir, st); err != nil {
			return st, was, err
		}
	}
	for _, p := range st.Processes {
		was = was || p.Alive()
	}
	if left := KillLeftovers(dir); len(left) > 0 {
		return st, was, fmt.Errorf("cannot stop %v", left)
	}
	return st, was, nil
}

func stop(ctx context.Context, dir string, st State) error {
	if st.Supervisor.Alive() {
		if err := syscall.Kill(st.Supervisor.PID, syscall.SIGTERM); err != nil {
			return fmt.Errorf("stop the supervisor: %w", err)
		}
	}
	deadline := time.Now().Add(stopTimeout)
	for {
		if locked, err := Running(dir); err != nil || !locked {
			return err
		}
		if time.Now().After(deadline) {
			if !st.Supervisor.Alive() {
				return fmt.Errorf("%s is locked by a process that is not in its state.json", dir)
			}
			_ = syscall.Kill(st.Supervisor.PID, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// KillLeftovers kills what a supervisor that was killed together with its guard left behind. It returns what it cannot
// kill.
func KillLeftovers(dir string) []process.Process {
	st, err := ReadState(dir)
	if err != nil || st.RunID == "" {
		return nil
	}
	return process.KillAll(st.Processes, st.RunID, 10*time.Second)
}
