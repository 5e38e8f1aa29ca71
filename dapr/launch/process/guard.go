package process

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// markVariable is in the environment of every process that a program starts through this package, and of all
// their children. It tells them from other processes, whatever their names and parents.
const markVariable = "HABERDASH_RUN"

// Guard is a small process in a session of its own that reads from a pipe. When this program dies, even by SIGKILL, the
// pipe closes and the guard kills what this program has started.
type Guard struct {
	mu   sync.Mutex
	pipe io.WriteCloser
	mark string
	done chan struct{}
}

var (
	theGuard   *Guard
	guardMutex sync.Mutex
)

// StartGuard returns the guard of this program, which it starts at the first call. launcher is the path of the
// haberdash command, which runs RunGuard.
func StartGuard(launcher string) (*Guard, error) {
	guardMutex.Lock()
	defer guardMutex.Unlock()
	if theGuard != nil {
		return theGuard, nil
	}
	mark := rand.Text()
	cmd := exec.Command(launcher, "guard", mark)
	cmd.Env = Environment(nil) // without the mark, if this program carries one
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	g := &Guard{pipe: pipe, mark: mark, done: make(chan struct{})}
	theGuard = g
	go func() {
		_ = cmd.Wait()
		close(g.done)
	}()
	return g, nil
}

// CloseGuard ends the guard, which kills what this program has started and not stopped, and waits for it. A program
// calls it at its end.
func CloseGuard() {
	guardMutex.Lock()
	defer guardMutex.Unlock()
	if theGuard != nil {
		theGuard.pipe.Close()
		<-theGuard.done
		theGuard = nil
	}
}

// NewMark returns a mark for a set of processes, which no other set has.
func (g *Guard) NewMark() string { return g.mark + "-" + rand.Text() }

func (g *Guard) add(p Process)  { g.send("add", p) }
func (g *Guard) drop(p Process) { g.send("drop", p) }

func (g *Guard) send(verb string, p Process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fmt.Fprintf(g.pipe, "%s %d %d\n", verb, p.PID, p.Created)
}

// RunGuard is the main function of the guard. It reads from in which processes were started and stopped. When in ends,
// it kills those that still run and everything that carries the mark.
func RunGuard(in io.Reader, mark string) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	type identity struct {
		pid     int
		created int64
	}
	live := map[identity]bool{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var verb string
		var p identity
		if _, err := fmt.Sscan(lines.Text(), &verb, &p.pid, &p.created); err != nil {
			continue
		}
		if verb == "add" {
			live[p] = true
		} else {
			delete(live, p)
		}
	}
	var list []Process
	for p := range live {
		list = append(list, Process{PID: p.pid, Created: p.created})
	}
	KillAll(list, mark, 10*time.Second)
}

// KillAll kills the processes of the list and everything that carries the mark, until it finds none twice in a row. It
// returns those that still run at the end of the timeout.
func KillAll(list []Process, mark string, timeout time.Duration) []Process {
	deadline := time.Now().Add(timeout)
	for clear := 0; ; {
		left := Marked(mark)
		for _, p := range list {
			if p.Alive() {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			if clear++; clear == 2 {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return left
		}
		for _, p := range left {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// Marked lists the live processes whose environment carries the mark, or a mark below it: that of a set is its guard's
// mark, a dash and more. On systems that do not show the environment of a process, such as macOS, it finds none, and
// only the recorded pids remain.
func Marked(mark string) []Process {
	if mark == "" {
		return nil
	}
	all, err := process.Processes()
	if err != nil {
		return nil
	}
	var list []Process
	for _, ps := range all {
		if int(ps.Pid) == os.Getpid() {
			continue
		}
		env, err := ps.Environ()
		if err != nil || !slices.ContainsFunc(env, func(kv string) bool {
			has, isMark := strings.CutPrefix(kv, markVariable+"=")
			return isMark && (has == mark || strings.HasPrefix(has, mark+"-"))
		}) {
			continue
		}
		created, err := ps.CreateTime()
		if err != nil {
			continue
		}
		name, _ := ps.Name()
		p := Process{Name: name, PID: int(ps.Pid), Created: created}
		if p.Alive() {
			list = append(list, p)
		}
	}
	return list
}
