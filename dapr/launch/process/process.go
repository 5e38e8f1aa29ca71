// Package process starts operating system processes and makes sure that none outlives the program that started it:
// every process carries a mark in its environment, and a guard kills what carries it when the program dies.
package process

import (
	"os"

	"github.com/shirou/gopsutil/v4/process"
)

// Kinds of processes.
const (
	KindBacking = "backing" // what sidecars need: placement, scheduler, sentry, the broker, servers
	KindCLI     = "cli"     // the dapr CLI
	KindApp     = "app"
	KindSidecar = "sidecar"
)

// Process is one process, running or stopped.
type Process struct {
	Name    string         `json:"name"` // "orders", "orders-daprd", "broker", …
	Kind    string         `json:"kind"`
	PID     int            `json:"pid"`
	Created int64          `json:"created"` // Unix milliseconds; detects that the system has reused the pid
	Ports   map[string]int `json:"ports,omitempty"`
	Log     string         `json:"log,omitempty"`
	Exit    string         `json:"exit,omitempty"` // why it stopped; empty while it runs

	Detached bool `json:"detached,omitempty"` // stopped, because somebody else runs the program, such as a debugger
}

// Self describes the current process.
func Self(name string) Process {
	created, _ := creationTime(os.Getpid())
	return Process{Name: name, PID: os.Getpid(), Created: created}
}

// Alive reports whether the process still runs. A process of another creation time that has the same pid does not
// count, and neither does a zombie.
func (p *Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return false
	}
	created, err := ps.CreateTime()
	// The system counts from its boot time, and may correct that by a second while it runs.
	if err != nil || created-p.Created > 3000 || p.Created-created > 3000 {
		return false
	}
	status, err := ps.Status()
	return err != nil || len(status) == 0 || status[0] != process.Zombie
}

// Children lists the child processes, under the name of their parent.
func (p *Process) Children() []Process {
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return nil
	}
	all, _ := ps.Children()
	var list []Process
	for _, c := range all {
		if created, err := c.CreateTime(); err == nil {
			list = append(list, Process{Name: p.Name, PID: int(c.Pid), Created: created})
		}
	}
	return list
}

// InDirectory lists the processes whose working directory is dir, which must not be a symbolic link.
func InDirectory(dir string) ([]Process, error) {
	all, err := process.Processes()
	if err != nil {
		return nil, err
	}
	var list []Process
	for _, ps := range all {
		if cwd, err := ps.Cwd(); err != nil || cwd != dir {
			continue
		}
		if created, err := ps.CreateTime(); err == nil {
			list = append(list, Process{PID: int(ps.Pid), Created: created})
		}
	}
	return list, nil
}

func creationTime(pid int) (int64, error) {
	ps, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0, err
	}
	return ps.CreateTime()
}
