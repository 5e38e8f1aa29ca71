package commitlog_test

import (
	"os"
	"testing"

	launchprocess "haberdash/dapr/launch/process"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprdtest"
)

func startState(tb testing.TB) sidecar.State { return daprdtest.State(tb, "orders") }

func TestMain(m *testing.M) {
	code := m.Run()
	launchprocess.CloseGuard()
	os.Exit(code)
}

func TestThroughSidecar(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(t *testing.T) sidecar.State { return startState(t) })
}
