package workflow_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/dapr/durabletask-go/backend"
	"github.com/dapr/durabletask-go/client"
	"github.com/dapr/durabletask-go/task"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"haberdash/internal/sidecar/daprd/workflow"
)

// The tests of this file compare the worker of durabletask-go v0.12.1 with the one of this package. If the part
// "library" of one of them fails after an upgrade, the library may have been fixed. See the package documentation.

// gatedActivity waits until its gate is closed, even if its context ends.
type gatedActivity struct {
	begun atomic.Int64
	gate  chan struct{}
}

func (a *gatedActivity) run() {
	a.begun.Add(1)
	<-a.gate
}

// runLibrary runs the activity with the worker of the library until stop is called.
func runLibrary(t *testing.T, conn *grpc.ClientConn, a *gatedActivity) (stop func()) {
	t.Helper()
	registry := task.NewTaskRegistry()
	require.NoError(t, registry.AddActivityN("a", func(task.ActivityContext) (any, error) { a.run(); return nil, nil }))
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	listener := client.NewTaskHubGrpcClient(conn, backend.DefaultLogger())
	require.NoError(t, listener.StartWorkItemListener(ctx, registry))
	return stop
}

// runAdapter runs the activity with the worker of this package until stop is called; stop waits for the end of Run.
func runAdapter(t *testing.T, conn *grpc.ClientConn, a *gatedActivity, o workflow.Options) (stop func()) {
	t.Helper()
	adapter := workflow.New(conn, o)
	adapter.Activity("a", func(context.Context, json.RawMessage) (any, error) { a.run(); return nil, nil })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		defer close(done)
		done <- adapter.Run(ctx)
	}()
	stop = func() {
		cancel()
		require.NoError(t, <-done)
	}
	t.Cleanup(stop)
	return stop
}

func TestConcurrentActivities(t *testing.T) {
	t.Parallel()
	const n, limit = 30, 3
	t.Run("the library has no limit", func(t *testing.T) {
		h, conn := startHub(t)
		a := &gatedActivity{gate: make(chan struct{})}
		runLibrary(t, conn, a)
		h.dispatch(n)
		eventually(t, func() bool { return a.begun.Load() == n })
		close(a.gate)
	})
	t.Run("the adapter has one", func(t *testing.T) {
		h, conn := startHub(t)
		a := &gatedActivity{gate: make(chan struct{})}
		runAdapter(t, conn, a, workflow.Options{Activities: limit})
		h.dispatch(n)
		eventually(t, func() bool { return a.begun.Load() == limit })
		never(t, func() bool { return a.begun.Load() > limit })
		close(a.gate)
		eventually(t, func() bool { return h.accepted.Load() == n })
	})
}

func TestResultOfAnActivityThatIsUnderWayAtTheStop(t *testing.T) {
	t.Parallel()
	t.Run("the library drops it", func(t *testing.T) {
		h, conn := startHub(t)
		a := &gatedActivity{gate: make(chan struct{})}
		stop := runLibrary(t, conn, a)
		h.dispatch(1)
		eventually(t, func() bool { return a.begun.Load() == 1 })
		stop()
		close(a.gate)
		never(t, func() bool { return h.accepted.Load() > 0 })
	})
	t.Run("the adapter delivers it", func(t *testing.T) {
		h, conn := startHub(t)
		a := &gatedActivity{gate: make(chan struct{})}
		stop := runAdapter(t, conn, a, workflow.Options{})
		h.dispatch(1)
		eventually(t, func() bool { return a.begun.Load() == 1 })
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		close(a.gate)
		<-stopped
		require.EqualValues(t, 1, h.accepted.Load())
	})
}

func TestDeliveryOfAResultThatTheEngineRefusesOnce(t *testing.T) {
	t.Parallel()
	open := make(chan struct{})
	close(open)
	t.Run("the library does not repeat it", func(t *testing.T) {
		h, conn := startHub(t)
		h.refuse.Store(1)
		runLibrary(t, conn, &gatedActivity{gate: open})
		h.dispatch(1)
		eventually(t, func() bool { return h.refused.Load() == 1 })
		never(t, func() bool { return h.accepted.Load() > 0 })
	})
	t.Run("the adapter repeats it", func(t *testing.T) {
		h, conn := startHub(t)
		h.refuse.Store(1)
		runAdapter(t, conn, &gatedActivity{gate: open}, workflow.Options{})
		h.dispatch(1)
		eventually(t, func() bool { return h.accepted.Load() == 1 })
	})
}
