package daprd_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/sidecartest"
)

// engine is a sidecar with all that workflows need.
type engine struct {
	control *launch.ControlPlane
	sidecar *launch.Sidecar
	client  *daprd.Client
}

func startEngine(t testing.TB) *engine {
	t.Helper()
	dir := t.TempDir()
	control, err := launch.StartControlPlane(t.Context(), launch.ControlPlaneOptions{RunDir: dir})
	require.NoError(t, err)
	t.Cleanup(control.Stop)
	s, err := launch.StartSidecar(t.Context(), launch.SidecarOptions{
		RunDir: dir, AppID: "orders", ControlPlane: control,
		ResourcesPaths: []string{filepath.Join("components", "state", "sqlite"), filepath.Join("components", "secrets", "env")},
	})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	e := &engine{control: control, sidecar: s}
	e.client = e.connect(t)
	return e
}

func (e *engine) connect(t testing.TB) *daprd.Client {
	t.Helper()
	c, err := daprd.New(daprd.Options{HTTPPort: e.sidecar.HTTPPort, GRPCPort: e.sidecar.GRPCPort})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// app is a worker that can be killed: its connection breaks, and with it all that it was doing.
type app struct {
	conn *daprd.Client
	kill context.CancelFunc
	done chan error
}

func (e *engine) work(t testing.TB, o daprd.WorkflowOptions, register func(sidecar.WorkflowHost)) *app {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{conn: e.connect(t), kill: cancel, done: make(chan error, 1)}
	w := a.conn.Workflows(o)
	register(w)
	go func() { a.done <- w.Run(ctx) }()
	var once sync.Once
	a.kill = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-a.done)
		})
	}
	t.Cleanup(a.kill)
	return a
}

func TestWorkflowsOnSQLite(t *testing.T) {
	t.Parallel()
	whole := t // workers outlive the case that starts them
	sidecartest.TestWorkflows(t, func(t *testing.T, register func(sidecar.WorkflowHost)) sidecartest.Engine {
		e := startEngine(t)
		a := e.work(t, daprd.WorkflowOptions{}, register)
		restart := func(p interface {
			Kill()
			Restart(context.Context) error
		}) func(*testing.T) {
			return func(t *testing.T) {
				p.Kill()
				require.NoError(t, p.Restart(t.Context()))
			}
		}
		return sidecartest.Engine{Workflows: e.client.Workflows(daprd.WorkflowOptions{}), Crashes: map[string]func(*testing.T){
			"the app": func(t *testing.T) {
				a.conn.Close()
				a.kill()
				a = e.work(whole, daprd.WorkflowOptions{}, register)
			},
			"the sidecar":   restart(e.sidecar),
			"the scheduler": restart(e.control.Scheduler),
			"placement":     restart(e.control.Placement),
		}}
	})
}
