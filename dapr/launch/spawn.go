package launch

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A command is all it takes to start a process, and to start it again.
type command struct {
	args []string
	env  []string
	dir  string
	log  string         // stdout and stderr are appended here
	stop syscall.Signal // what asks it to end; default SIGTERM
}

// A running process is either a child of this one or a child of the dapr CLI.
type running struct {
	Process
	command command
	done    chan struct{} // closed once it has stopped
	child   bool
}

// Children that die with the thread that made them need one that never ends.
var (
	spawner     chan func()
	spawnerOnce sync.Once
)

func onSpawnerThread(f func()) {
	spawnerOnce.Do(func() {
		spawner = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range spawner {
				f()
			}
		}()
	})
	done := make(chan struct{})
	spawner <- func() { defer close(done); f() }
	<-done
}

// spawn starts a child in a process group of its own; exited is called with the reason when it stops.
func spawn(p Process, c command, g *guard, exited func(*running, string)) (*running, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, log, log
	cmd.SysProcAttr = childAttributes()
	onSpawnerThread(func() { err = cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	r := &running{Process: p, command: c, done: make(chan struct{}), child: true}
	r.PID, r.Log = cmd.Process.Pid, c.log
	if created, err := identify(r.PID); err == nil {
		r.Created = created
	}
	g.add(r.Process)
	go func() {
		reason := exitReason(cmd.Wait())
		g.drop(r.Process)
		exited(r, reason)
		close(r.done)
	}()
	return r, nil
}

// adopt watches a process that somebody else started.
func adopt(p Process, c command, g *guard, exited func(*running)) *running {
	r := &running{Process: p, command: c, done: make(chan struct{})}
	g.add(p)
	go func() {
		for p.Alive() {
			time.Sleep(200 * time.Millisecond)
		}
		g.drop(p)
		exited(r)
		close(r.done)
	}()
	return r
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

// stopAll asks the processes to end and, when the time is over, makes them.
func stopAll(list []*running, within time.Duration) {
	for _, r := range list {
		if r.Alive() {
			_ = syscall.Kill(r.PID, cmp.Or(r.command.stop, syscall.SIGTERM))
		}
	}
	deadline := time.After(within)
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

func newID() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b)
}

// withEnv returns env with the variables set, replacing earlier values.
func withEnv(env []string, set map[string]string) []string {
	var out []string
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if _, replaced := set[name]; !replaced {
			out = append(out, kv)
		}
	}
	for k, v := range set {
		out = append(out, k+"="+v)
	}
	return out
}
