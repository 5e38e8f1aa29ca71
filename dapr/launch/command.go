package launch

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
)

// What the commands need beside Start.

// RunDirOf returns the absolute run directory of the options.
func RunDirOf(o Options) (string, error) {
	o, err := o.complete()
	return o.RunDir, err
}

// Build checks the options and builds all that Start needs. It returns the run directory, and ErrRunning
// where a shop runs there: nothing is built then.
func Build(ctx context.Context, o Options) (string, error) {
	o, err := o.complete()
	if err != nil {
		return "", err
	}
	if err := makeDir(o.RunDir); err != nil {
		return "", err
	}
	if locked, err := Running(o.RunDir); err != nil || locked {
		return o.RunDir, errors.Join(err, ErrRunning)
	}
	if _, err := EnsureTools(ctx, o.Root, o.System, o.Log); err != nil {
		return o.RunDir, err
	}
	return o.RunDir, BuildApps(ctx, o.Root, o.Log)
}

// Running reports whether a launcher owns the run directory.
func Running(runDir string) (bool, error) {
	if _, err := os.Stat(runDir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	lock := flock.New(lockPath(runDir))
	ok, err := lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", runDir, err)
	}
	if ok {
		return false, lock.Unlock()
	}
	return true, nil
}

// Down stops the shop of a run directory and whatever a killed one left behind; data stays. It reports
// whether there was anything to stop.
func Down(ctx context.Context, o Options) (bool, error) {
	o, err := o.complete()
	if err != nil {
		return false, err
	}
	st, err := ReadState(o.RunDir)
	if err != nil {
		return false, err
	}
	was, err := Running(o.RunDir)
	if err != nil {
		return was, err
	}
	if was {
		if err := stopSupervisor(ctx, o.RunDir, st); err != nil {
			return was, err
		}
	}
	for _, p := range st.Processes {
		was = was || p.Alive()
	}
	if left := killLeftovers(o.RunDir); len(left) > 0 {
		return was, fmt.Errorf("cannot stop %v", left)
	}
	if st.Status == "" || st.Status == Stopped || st.Status == Failed {
		return was, nil
	}
	file, err := readRunFile(runFilePath(o.Root))
	if err != nil {
		return was, err
	}
	o.PortBase, o.GatewayPort, o.Secure = st.PortBase, st.GatewayPort, st.Choices["SECURE"] != ""
	for _, p := range o.ports(file.render(o)) {
		if !bindable(p.Port) {
			return was, fmt.Errorf("everything is stopped, but port %d (%s) is in use%s", p.Port, p.For, holder(p.Port))
		}
	}
	st.Status = Stopped
	return was, st.write(o.RunDir)
}

func stopSupervisor(ctx context.Context, runDir string, st State) error {
	if st.Supervisor.Alive() {
		if err := syscall.Kill(st.Supervisor.PID, syscall.SIGTERM); err != nil {
			return fmt.Errorf("stop the supervisor: %w", err)
		}
	}
	gentle := time.Now().Add(2*appGrace + sidecarGrace + 4*backingGrace)
	for {
		if locked, err := Running(runDir); err != nil || !locked {
			return err
		}
		if time.Now().After(gentle) {
			if !st.Supervisor.Alive() {
				return fmt.Errorf("%s is locked by a process that is not in its state.json", runDir)
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

// Clean stops the shop and removes its data, logs and secrets. Built programs stay.
func Clean(ctx context.Context, o Options) error {
	if _, err := Down(ctx, o); err != nil {
		return err
	}
	dir, err := RunDirOf(o)
	if err != nil {
		return err
	}
	for _, d := range append([]string{
		"logs", "logs.previous", ".dapr", "config", "sentry", "apps.yaml", "env", "secrets.env", "state.json", "supervisor.log",
	}, dataDirs...) {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	return nil
}

// Administrator returns the first administrator that the rendered run file gives to its app.
func Administrator(runDir string) (email, password string) {
	f, err := readRunFile(filepath.Join(runDir, "apps.yaml"))
	if err != nil {
		return "", ""
	}
	for _, a := range f.Apps {
		if a.Env["ADMIN_EMAIL"] != "" {
			return a.Env["ADMIN_EMAIL"], a.Env["ADMIN_PASSWORD"]
		}
	}
	return "", ""
}
