package main

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
)

// errQuiet ends the program with status 1 where all has been said.
var errQuiet = errors.New("")

func up(ctx context.Context, o launch.Options, _ []string) error { return start(ctx, o) }

func backing(ctx context.Context, o launch.Options, _ []string) error {
	o.BackingOnly = true
	return start(ctx, o)
}

// start builds, hands over to a supervisor in a session of its own, and waits for its word.
// tools builds what a shop needs beside its apps, once: later starts and all tests find it.
func tools(ctx context.Context, o launch.Options, _ []string) error {
	root, err := launch.FindRoot()
	if err != nil {
		return err
	}
	_, err = launch.EnsureTools(ctx, root, o.System, os.Stdout)
	return err
}

func start(ctx context.Context, o launch.Options) error {
	began := time.Now()
	dir, err := launch.Build(ctx, o)
	if errors.Is(err, launch.ErrRunning) {
		return alreadyUp(ctx, dir)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: nothing was started")
	}
	if err != nil {
		return err
	}
	what := "all"
	if o.BackingOnly {
		what = "backing"
	}
	cmd, err := supervisor(dir, "supervise", what)
	if err != nil {
		return err
	}
	if err = watch(ctx, dir, cmd); errors.Is(err, launch.ErrRunning) { // another `up` was first
		return alreadyUp(ctx, dir)
	} else if err != nil {
		return err
	}
	st, err := launch.ReadState(dir)
	if err != nil {
		return err
	}
	printAddresses(dir, st, o.BackingOnly)
	fmt.Printf("ready after %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// watch waits until what the supervisor starts is ready or has failed; interrupted, it has all of it stopped again.
func watch(ctx context.Context, dir string, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err := follow(ctx, dir, cmd.Process.Pid, done)
	if ctx.Err() != nil && !errors.Is(err, launch.ErrRunning) {
		fmt.Println("stopping")
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		return errors.New("interrupted: everything is stopped again")
	}
	return err
}

// supervisor starts this program once more, in a session of its own; it logs into the directory.
func supervisor(dir string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "supervisor.log")
	if info, err := os.Stat(path); err == nil && info.Size() > 1<<20 {
		_ = os.Remove(path)
	}
	// Appended to: where two start at once, the one that loses must not wipe the other's words.
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, cmd.Start()
}

// follow repeats what the supervisor says it waits for, until the shop is ready or has failed.
func follow(ctx context.Context, dir string, pid int, done <-chan error) error {
	said := ""
	for {
		st, err := launch.ReadState(dir)
		mine := err == nil && st.Supervisor.PID == pid
		if mine && st.Phase != said && st.Phase != "" {
			said = st.Phase
			fmt.Println(said)
		}
		if mine && st.Status == launch.Ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			st, err := launch.ReadState(dir)
			if err == nil && st.Supervisor.PID == pid && st.Error != "" {
				return errors.New(st.Error)
			}
			if locked, _ := launch.Running(dir); locked {
				return launch.ErrRunning
			}
			return fmt.Errorf("the supervisor stopped; its last log lines:%s", launch.Quote(filepath.Join(dir, "supervisor.log"), 12))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// alreadyUp waits for a shop that somebody else is starting, and changes nothing.
func alreadyUp(ctx context.Context, dir string) error {
	for {
		st, err := launch.ReadState(dir)
		if err != nil {
			return err
		}
		switch st.Status {
		case launch.Ready:
			fmt.Println("already running")
			printAddresses(dir, st, len(st.Processes) < 4)
			return nil
		case launch.Broken:
			return fmt.Errorf("already running, but %s\n`make down`, then `make up` starts it anew", st.Error)
		}
		if locked, err := launch.Running(dir); err != nil || !locked {
			return errors.New("the shop that was starting has stopped: try again")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func printAddresses(dir string, st launch.State, backingOnly bool) {
	if backingOnly {
		fmt.Printf("placement  127.0.0.1:%d\nscheduler  127.0.0.1:%d\n", st.PortBase, st.PortBase+4)
		// Of the file as it was rendered: it has the choices and ports that were made.
		fmt.Printf("next:      set -a; . %s; set +a; %s run -f %s\n",
			filepath.Join(dir, "env"), filepath.Join(dir, "tools", "bin", "dapr"), filepath.Join(dir, "apps.yaml"))
		return
	}
	fmt.Printf("shop           http://localhost:%d\n", st.GatewayPort)
	fmt.Printf("API            http://localhost:%d/docs\n", st.GatewayPort)
	email, password := launch.Administrator(dir)
	fmt.Printf("administrator  %s / %s\n", email, password)
	fmt.Printf("mail           %s\n", filepath.Join(dir, "mail"))
	if st.Choices["SECURE"] != "" {
		fmt.Println("sidecars       know each other by certificates, and refuse what dapr/secure does not allow")
	}
}

// supervise owns the shop: it lives until it is told to stop.
func supervise(ctx context.Context, o launch.Options, args []string) error {
	o.SkipBuild = true
	o.BackingOnly = len(args) == 1 && args[0] == "backing"
	o.Log = stamped{os.Stdout}
	defer launch.Leave()
	s, err := launch.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.Log, "ready")
	<-ctx.Done()
	fmt.Fprintln(o.Log, "stopping")
	return s.Stop(context.Background())
}

type stamped struct{ to io.Writer }

func (s stamped) Write(p []byte) (int, error) {
	_, err := fmt.Fprintf(s.to, "%s %s", time.Now().UTC().Format(time.RFC3339), p)
	return len(p), err
}
