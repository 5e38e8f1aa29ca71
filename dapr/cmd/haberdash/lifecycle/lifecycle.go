// Package lifecycle has the commands that start, stop and show a local shop and the servers beside it. What they start
// runs in the background, under a supervisor: this program once more, in a session of its own.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/logs"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

// ErrReported ends the program with status 1 and prints nothing: the output has told the reason.
var ErrReported = errors.New("already reported")

// RunDir returns the absolute run directory of the options.
func RunDir(o config.Options) (string, error) {
	o, err := o.Complete()
	return o.RunDir, err
}

// Tools builds the programs that a shop needs beside its apps. Later starts and all tests find them in the cache.
func Tools(ctx context.Context, o config.Options, _ []string) error {
	root, err := toolchain.FindRoot()
	if err != nil {
		return err
	}
	_, err = toolchain.EnsureTools(ctx, root, o.System, os.Stdout)
	return err
}

// Down stops the shop. Data stays.
func Down(ctx context.Context, o config.Options, _ []string) error {
	was, err := launch.Down(ctx, o)
	if err != nil {
		return err
	}
	if was {
		fmt.Println("stopped; data stays")
	} else {
		fmt.Println("not running")
	}
	return nil
}

// Clean stops the shop and the servers of `make infra` and `make observe`, and removes the data of all: what the shop
// has stored in the servers is encrypted with the secrets of its run directory, which are removed too.
func Clean(ctx context.Context, o config.Options, _ []string) error {
	servers, err := infraOptions(o)
	if err != nil {
		return err
	}
	shown, err := observeOptions(o)
	if err != nil {
		return err
	}
	if err := launch.Clean(ctx, o); err != nil {
		return err
	}
	if err := observe.Clean(ctx, shown); err != nil {
		return err
	}
	servers.Servers = nil
	if err := infra.Clean(ctx, servers); err != nil {
		return err
	}
	fmt.Println("stopped; data removed")
	return nil
}

// startSupervisor starts this program with other arguments in a session of its own, and with the variables of this
// program that it needs. It logs into the run directory.
func startSupervisor(o config.Options, dir string, args ...string) (*exec.Cmd, error) {
	env, err := launch.Environment(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := supervisorLog(dir)
	if info, err := os.Stat(path); err == nil && info.Size() > 1<<20 {
		_ = os.Remove(path)
	}
	// Of two that start at once, one fails. It must not overwrite the log of the other, so both append.
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

func supervisorLog(dir string) string { return filepath.Join(dir, "supervisor.log") }

// waitForSupervisor waits until everything that the supervisor starts is ready, or the start has failed. If ctx ends
// before that, it makes the supervisor stop everything. It returns rundir.ErrRunning if another supervisor was faster.
func waitForSupervisor(ctx context.Context, dir string, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err := printProgress(ctx, dir, cmd.Process.Pid, done)
	if ctx.Err() != nil && !errors.Is(err, rundir.ErrRunning) {
		fmt.Println("stopping")
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		return errors.New("interrupted: everything is stopped again")
	}
	return err
}

// printProgress prints what the supervisor waits for, until everything is ready or the start has failed.
func printProgress(ctx context.Context, dir string, pid int, done <-chan error) error {
	printed := ""
	for {
		st, err := rundir.ReadState(dir)
		own := err == nil && st.Supervisor.PID == pid
		if own && st.Phase != printed && st.Phase != "" {
			printed = st.Phase
			fmt.Println(printed)
		}
		if own && st.Status == rundir.Ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			st, err := rundir.ReadState(dir)
			if err == nil && st.Supervisor.PID == pid && st.Error != "" {
				return errors.New(st.Error)
			}
			if locked, _ := rundir.Running(dir); locked {
				return rundir.ErrRunning
			}
			return fmt.Errorf("the supervisor stopped; its last log lines:%s", logs.Quote(supervisorLog(dir), 12))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// waitForOther waits until what another supervisor starts is ready, and returns the state. what names it in errors, and
// restart tells how to start it again if it is broken.
func waitForOther(ctx context.Context, dir, what, restart string) (rundir.State, error) {
	for {
		st, err := rundir.ReadState(dir)
		if err != nil {
			return st, err
		}
		switch st.Status {
		case rundir.Ready:
			return st, nil
		case rundir.Broken:
			return st, fmt.Errorf("already running, but %s\n%s", st.Error, restart)
		}
		if locked, err := rundir.Running(dir); err != nil || !locked {
			return st, fmt.Errorf("%s that another command was starting stopped: try again", what)
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// timestamped writes a line with the time before it.
type timestamped struct{ to io.Writer }

// Write implements io.Writer.
func (w timestamped) Write(line []byte) (int, error) {
	_, err := fmt.Fprintf(w.to, "%s %s", time.Now().UTC().Format(time.RFC3339), line)
	return len(line), err
}
