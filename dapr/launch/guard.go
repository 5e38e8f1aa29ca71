package launch

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// markVariable is in the environment of everything a launcher starts, and of all their children. It
// tells ours from other people's processes, whatever their names and parents.
const markVariable = "HABERDASH_RUN"

// A guard is a small process in a session of its own that reads from a pipe. When the launcher dies,
// by SIGKILL even, the pipe closes and the guard kills what the launcher had started.
type guard struct {
	mu   sync.Mutex
	pipe io.WriteCloser
	mark string
	gone chan struct{}
}

var (
	theGuard   *guard
	guardMutex sync.Mutex
)

// startGuard starts the one guard of this process, building the launcher's program if it is missing.
func startGuard(ctx context.Context, root string, log io.Writer) (*guard, error) {
	guardMutex.Lock()
	defer guardMutex.Unlock()
	if theGuard != nil {
		return theGuard, nil
	}
	bin := filepath.Join(binDir(root), "shop")
	if _, err := os.Stat(bin); err != nil {
		if err := buildInto(ctx, root, binDir(root), "launcher", log, "./dapr/shop"); err != nil {
			return nil, err
		}
	}
	mark := newID()
	cmd := exec.Command(bin, "guard", mark)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, markVariable+"=") })
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	theGuard = &guard{pipe: pipe, mark: mark, gone: make(chan struct{})}
	g := theGuard
	go func() {
		_ = cmd.Wait()
		close(g.gone)
	}()
	return g, nil
}

// Leave dismisses the guard at the end of a program, and so makes sure that nothing is left.
func Leave() {
	guardMutex.Lock()
	defer guardMutex.Unlock()
	if theGuard != nil {
		theGuard.pipe.Close()
		<-theGuard.gone
		theGuard = nil
	}
}

func (g *guard) add(p Process)  { g.tell("add", p) }
func (g *guard) drop(p Process) { g.tell("drop", p) }

func (g *guard) tell(verb string, p Process) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fmt.Fprintf(g.pipe, "%s %d %d\n", verb, p.PID, p.Created)
}

// RunGuard is the guard's main: it follows in until the other end is gone, then kills what was added and
// not dropped, and everything that carries the mark.
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
	killAll(list, mark, 10*time.Second)
}

// killAll kills the processes and everything that carries the mark, until two looks find nothing. It
// returns what is still there after the time given.
func killAll(list []Process, mark string, within time.Duration) []Process {
	deadline := time.Now().Add(within)
	for clear := 0; ; {
		left := marked(mark)
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

// marked finds the live processes whose environment carries the mark, or one below it: a shop's mark is its
// launcher's, a dash and a number. Where the system does not tell (macOS), it finds none, and the recorded pids
// must do.
func marked(mark string) []Process {
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
