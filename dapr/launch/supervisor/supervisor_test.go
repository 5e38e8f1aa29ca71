package supervisor

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// shell describes a process that runs a shell command.
func shell(dir, name, command string) Spec {
	return Spec{Name: name, Kind: process.KindBacking, Command: process.Command{
		Args: []string{"/bin/sh", "-c", command}, Env: os.Environ(), Dir: dir,
		Log: filepath.Join(dir, name+".log"), Grace: 10 * time.Second,
	}}
}

func open(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := Open(dir, io.Discard)
	require.NoError(t, err)
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	require.NoError(t, s.StartGuard(t.Context(), root))
	return s
}

func TestUnexpectedEndBreaksTheStateUntilRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Start(shell(dir, "one", "exec sleep 60")))
	require.NoError(t, s.Start(shell(dir, "two", "exec sleep 60")))
	s.Update(func(st *rundir.State) { st.Status = rundir.Ready })

	p, ok := s.Process("one")
	require.True(t, ok)
	require.ErrorContains(t, s.Restart("one"), "one is still running")
	require.NoError(t, syscall.Kill(p.PID, syscall.SIGKILL))
	require.ErrorContains(t, <-s.Died(), "one stopped (signal: killed)")
	written, err := rundir.ReadState(dir)
	require.NoError(t, err)
	require.Equal(t, rundir.Broken, written.Status)
	require.Equal(t, "signal: killed", written.Processes[0].Exit)

	require.NoError(t, s.Kill("two"), "an end that was asked for does not count")
	require.Equal(t, rundir.Broken, s.State().Status)
	require.NoError(t, s.Restart("one"))
	require.Equal(t, rundir.Ready, s.State().Status)
	require.Empty(t, s.State().Error)
	require.NoError(t, s.Restart("two"))

	s.TerminateAll(0, []string{"one"}, []string{"two"})
	require.NoError(t, s.Close(rundir.Stopped))
	select {
	case err := <-s.Died():
		require.NoError(t, err)
	default:
	}
	written, err = rundir.ReadState(dir)
	require.NoError(t, err)
	require.Equal(t, rundir.Stopped, written.Status)
	require.Empty(t, process.Marked(written.RunID))
}

func TestDirectoryBelongsToOneSupervisor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := Open(dir, io.Discard)
	require.ErrorIs(t, err, rundir.ErrRunning)
	require.NoError(t, s.Close(rundir.Stopped))
	s = open(t, dir)
	require.NoError(t, s.Close(rundir.Stopped))
}

func TestAwaitFailsWhenAProcessStopsAndNamesThoseNotReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	s, err := NewSet(t.Context(), root, io.Discard)
	require.NoError(t, err)

	slow := shell(dir, "slow", "echo still loading; exec sleep 60")
	var ready atomic.Bool
	slow.Healthy = func(context.Context) bool { return ready.Load() }
	require.NoError(t, s.Start(slow))
	soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var waited []string
	err = s.Await(soon, func(names []string) { waited = names }, "slow")
	require.ErrorContains(t, err, "not ready after 0s: slow")
	require.ErrorContains(t, err, "still loading")
	require.Equal(t, []string{"slow"}, waited)

	require.NoError(t, s.Start(shell(dir, "failing", "echo no disk space; exit 3")))
	err = s.Await(t.Context(), nil, "slow")
	require.ErrorContains(t, err, "failing stopped (exit status 3)")
	require.ErrorContains(t, err, "no disk space")

	ready.Store(true)
	require.NoError(t, s.Await(t.Context(), nil, "slow"))
	s.TerminateAll(0, []string{"slow", "failing"})
}

func TestPausedProcessCanBeTerminated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Start(shell(dir, "one", "exec sleep 60")))
	require.NoError(t, s.Pause("one"))
	began := time.Now()
	require.NoError(t, s.Terminate("one"))
	require.Less(t, time.Since(began), 5*time.Second, "within its grace")
	require.ErrorContains(t, s.Pause("one"), "one is not running")
	require.ErrorContains(t, s.Kill("nobody"), `no process "nobody"`)
	require.NoError(t, s.Close(rundir.Stopped))
}

func TestKillEndsTheChildrenToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	require.NoError(t, s.Start(shell(dir, "parent", "sleep 60 & sleep 60 & wait")))
	p, _ := s.Process("parent")
	require.Eventually(t, func() bool { return len(p.Children()) == 2 }, 5*time.Second, 10*time.Millisecond)
	children := p.Children()
	require.NoError(t, s.Kill("parent"))
	for _, c := range children {
		require.False(t, c.Alive())
	}
	require.NoError(t, s.Close(rundir.Stopped))
}
