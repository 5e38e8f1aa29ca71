package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// The states of a shop as a whole.
const (
	Starting = "starting"
	Ready    = "ready"
	Broken   = "broken" // was ready; a process has stopped since
	Failed   = "failed" // never became ready
	Stopping = "stopping"
	Stopped  = "stopped"
)

// State is what the supervisor writes to state.json after each change, for `shop status` and for
// cleaning up after a supervisor that was killed.
type State struct {
	RunID       string            `json:"runId"`
	Status      string            `json:"status"`
	Phase       string            `json:"phase,omitempty"` // what is being waited for
	Error       string            `json:"error,omitempty"`
	StartedAt   time.Time         `json:"startedAt"`
	Supervisor  Process           `json:"supervisor"`
	GatewayPort int               `json:"gatewayPort"`
	PortBase    int               `json:"portBase"`
	Choices     map[string]string `json:"choices"`
	Processes   []Process         `json:"processes"`
}

// Process is one process of a shop, dead or alive.
type Process struct {
	Name    string         `json:"name"` // "orders", "orders-daprd", "broker", …
	Kind    string         `json:"kind"` // "backing", "cli", "app" or "sidecar"
	PID     int            `json:"pid"`
	Created int64          `json:"created"` // Unix milliseconds; tells a reused pid apart
	Ports   map[string]int `json:"ports,omitempty"`
	Log     string         `json:"log,omitempty"`
	Exit    string         `json:"exit,omitempty"` // why it stopped; empty while it runs
}

func statePath(runDir string) string { return filepath.Join(runDir, "state.json") }

// ReadState returns the last state of a run directory; a zero State where there never was a shop.
func ReadState(runDir string) (State, error) {
	var s State
	b, err := os.ReadFile(statePath(runDir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", statePath(runDir), err)
	}
	return s, nil
}

func (s State) write(runDir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := statePath(runDir) + ".new"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, statePath(runDir))
}

// Alive reports whether this very process still runs: a pid alone may have passed to another.
func (p *Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return false
	}
	created, err := ps.CreateTime()
	// The boot time that this is counted from may be corrected by a second while the machine runs.
	if err != nil || created-p.Created > 3000 || p.Created-created > 3000 {
		return false
	}
	status, err := ps.Status()
	return err != nil || len(status) == 0 || status[0] != process.Zombie
}

// RSS returns the resident memory in bytes, 0 if the process is gone.
func (p *Process) RSS() uint64 {
	if !p.Alive() {
		return 0
	}
	ps, err := process.NewProcess(int32(p.PID))
	if err != nil {
		return 0
	}
	m, err := ps.MemoryInfo()
	if err != nil {
		return 0
	}
	return m.RSS
}

// identify fills in the creation time of a live pid.
func identify(pid int) (int64, error) {
	ps, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0, err
	}
	return ps.CreateTime()
}
