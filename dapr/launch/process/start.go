package process

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command is what it takes to start a process, and to start it again.
type Command struct {
	Args []string
	Env  []string
	Dir  string
	Log  string // file to which stdout and stderr are appended

	Stop  syscall.Signal // asks the process to end; default SIGTERM
	Grace time.Duration  // how long the process may take to end before it is killed
}

// Running is a process that this program watches: its own child, or a child of the dapr CLI.
type Running struct {
	Process
	Command Command
	done    chan struct{}
	reason  string
}

// Done is closed after the process has stopped.
func (r *Running) Done() <-chan struct{} { return r.done }

// Reason says how the process ended, such as "exit status 1"; empty for a process that Watch watches. It may be called
// after Done is closed.
func (r *Running) Reason() string { return r.reason }

// Start starts a child in a process group of its own. Its environment carries the mark, by which the guard finds it and
// everything that it starts.
func Start(p Process, c Command, g *Guard, mark string) (*Running, error) {
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = With(c.Env, map[string]string{markVariable: mark}), c.Dir, log, log
	cmd.SysProcAttr = childAttributes()
	onParentThread(func() { err = cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	r := &Running{Process: p, Command: c, done: make(chan struct{})}
	r.PID, r.Log = cmd.Process.Pid, c.Log
	if created, err := creationTime(r.PID); err == nil {
		r.Created = created
	}
	g.add(r.Process)
	go func() {
		r.reason = exitReason(cmd.Wait())
		g.drop(r.Process)
		close(r.done)
	}()
	return r, nil
}

// Watch watches a process that another process has started.
func Watch(p Process, c Command, g *Guard) *Running {
	r := &Running{Process: p, Command: c, done: make(chan struct{})}
	g.add(p)
	go func() {
		for p.Alive() {
			time.Sleep(200 * time.Millisecond)
		}
		g.drop(p)
		close(r.done)
	}()
	return r
}

// Terminate asks the processes to end, kills those that still run when the grace is over, and returns when all have
// stopped.
func Terminate(list []*Running, grace time.Duration) {
	for _, r := range list {
		if r.Alive() {
			_ = syscall.Kill(r.PID, cmp.Or(r.Command.Stop, syscall.SIGTERM))
		}
	}
	deadline := time.After(grace)
	for _, r := range list {
		select {
		case <-r.done:
			continue
		case <-deadline:
		}
		break
	}
	for _, r := range list {
		if r.Alive() {
			_ = syscall.Kill(r.PID, syscall.SIGKILL)
		}
	}
	for _, r := range list {
		<-r.done
	}
}

// Run runs a program to its end. It returns an error with the last lines of the output if the program fails. When ctx
// ends, the program and its children are killed.
func Run(ctx context.Context, stdin string, args ...string) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(stdin), &out, &out
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var err error
	onParentThread(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, LastLines(out.String(), 12))
	}
	return nil
}

// LastLines returns the last n lines of a program's output.
func LastLines(output string, n int) string {
	lines := strings.Split(strings.TrimRight(output, "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// Linux kills a child that is to die with its parent when the thread that started the child ends. So one thread, which
// never ends, starts all of them.
var (
	parentThread     chan func()
	parentThreadOnce sync.Once
)

func onParentThread(f func()) {
	parentThreadOnce.Do(func() {
		parentThread = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range parentThread {
				f()
			}
		}()
	})
	done := make(chan struct{})
	parentThread <- func() { defer close(done); f() }
	<-done
}

func exitReason(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.Error()
	}
	return err.Error()
}
