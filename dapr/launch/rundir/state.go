// Package rundir is about the run directory of a shop, or of the servers of `make infra`: its lock, which the
// supervisor of the processes holds, its state file, and how to stop what runs there.
package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"haberdash/dapr/launch/process"
	"haberdash/internal/roster"
)

// Values of State.Status.
const (
	Starting = "starting"
	Ready    = "ready"
	Broken   = "broken" // was ready; a process has stopped since
	Failed   = "failed" // never became ready
	Stopping = "stopping"
	Stopped  = "stopped"
)

// State is what a supervisor writes to state.json after each change: for `make status`, and to clean up after a
// supervisor that was killed.
type State struct {
	RunID       string            `json:"runId"` // the mark of the processes
	Status      string            `json:"status"`
	Phase       string            `json:"phase,omitempty"` // what the start is waiting for
	Error       string            `json:"error,omitempty"`
	StartedAt   time.Time         `json:"startedAt"`
	Supervisor  process.Process   `json:"supervisor"`
	GatewayPort int               `json:"gatewayPort"`
	PortBase    int               `json:"portBase"`
	Choices     map[string]string `json:"choices"`          // of infrastructure, by variable: STATE, PUBSUB, …
	Traces      string            `json:"traces,omitempty"` // where a shop exports its spans to, or NoTraces
	Joined      []roster.Joined   `json:"joined,omitempty"`
	Replaced    map[string]string `json:"replaced,omitempty"` // by app of the shop, the folder of the app in its place

	// Settings are digests of the files that decide how the processes were started, by path in the checkout.
	Settings  map[string]string `json:"settings,omitempty"`
	Processes []process.Process `json:"processes"`
}

// NoTraces is the value of State.Traces of a shop that exports no spans.
const NoTraces = "off"

func statePath(dir string) string { return filepath.Join(dir, "state.json") }

// ReadState returns the last state of a run directory; a zero State if nothing was ever started there.
func ReadState(dir string) (State, error) {
	var s State
	b, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", statePath(dir), err)
	}
	return s, nil
}

// Write replaces state.json in the run directory.
func (s State) Write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := statePath(dir) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, statePath(dir))
}
