package workflow_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/standalone"
	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprd/workflow"
	"haberdash/internal/sidecar/daprdtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// engine is a sidecar with the control plane and the store that workflows need. The sidecar probes the health of the
// worker that runs.
type engine struct {
	control *standalone.ControlPlane
	sidecar *standalone.Sidecar
	client  *daprd.Client
	worker  atomic.Pointer[workflow.Adapter]
}

// ServeHTTP implements http.Handler for the app beside the sidecar.
func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/healthz" {
		w.WriteHeader(http.StatusNotFound)
	} else if worker := e.worker.Load(); worker != nil && worker.Healthy() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func startEngine(t testing.TB) *engine {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, configWithoutRetention(t), 0o600))
	control, err := standalone.StartControlPlane(t.Context(), standalone.ControlPlaneOptions{RunDir: dir})
	require.NoError(t, err)
	t.Cleanup(control.Stop)
	e := &engine{control: control}
	port, _ := daprdtest.Serve(t, e)
	o := daprdtest.StateOptions(t)
	e.sidecar, err = standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
		RunDir: dir, AppID: "orders", AppPort: port, ControlPlane: control, ConfigFile: config, Env: o.Env,
		ResourcesPaths: []string{
			o.Components("state", o.State), filepath.Join("components", "secrets", "env"),
		},
		Args: []string{
			"--enable-app-health-check", "--app-health-check-path=/healthz",
			"--app-health-probe-interval=1", "--app-health-probe-timeout=900", "--app-health-threshold=1",
		},
	})
	require.NoError(t, err)
	t.Cleanup(e.sidecar.Stop)
	e.client = e.connect(t)
	return e
}

// configWithoutRetention returns dapr/config.yaml without the policy that purges ended workflows. daprd 1.18.1
// crashes a workflow ends at the moment when calls of the scheduler are dropped and such a policy exists
// (handleRetention finds no state), and these tests make it drop such calls all the time.
func configWithoutRetention(t testing.TB) []byte {
	t.Helper()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(root, "dapr", "config.yaml"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal(data, &config))
	options, _ := config["spec"].(map[string]any)["workflow"].(map[string]any)
	require.Contains(t, options, "stateRetentionPolicy")
	delete(options, "stateRetentionPolicy")
	data, err = yaml.Marshal(config)
	require.NoError(t, err)
	return data
}

func (e *engine) connect(t testing.TB) *daprd.Client {
	t.Helper()
	c, err := daprd.New(daprd.Options{HTTPPort: e.sidecar.HTTPPort, GRPCPort: e.sidecar.GRPCPort})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// caller returns an adapter that starts and queries workflows, and runs none.
func (e *engine) caller(o workflow.Options) *workflow.Adapter {
	return workflow.New(e.client.Conn(), o)
}

// worker runs workflows and activities over a connection of its own.
type worker struct {
	conn *daprd.Client
	stop context.CancelFunc
	done chan error
}

// startWorker starts a worker that stops at the latest with the test.
func (e *engine) startWorker(t testing.TB, o workflow.Options, register func(sidecar.WorkflowHost)) *worker {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &worker{conn: e.connect(t), stop: cancel, done: make(chan error, 1)}
	adapter := workflow.New(w.conn.Conn(), o)
	register(adapter)
	e.worker.Store(adapter)
	go func() {
		defer close(w.done)
		w.done <- adapter.Run(ctx)
	}()
	t.Cleanup(func() { require.NoError(t, w.end()) })
	return w
}

// end stops the worker and waits until it has drained.
func (w *worker) end() error {
	w.stop()
	return <-w.done // nil once the channel is closed
}

// kill breaks the connection of the worker, and so the work that is under way.
func (w *worker) kill() error {
	w.conn.Close()
	return w.end()
}
