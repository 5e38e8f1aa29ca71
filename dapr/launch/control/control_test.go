package control

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/rundir"
)

func serve(t *testing.T, dir string, actions map[string]Action) *Server {
	t.Helper()
	lock, err := rundir.Acquire(dir)
	require.NoError(t, err)
	s, err := Serve(t.Context(), dir, actions)
	require.NoError(t, err)
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, lock.Release())
	})
	return s
}

func TestCommandsAskTheSupervisor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40), "run")
	require.ErrorIs(t, Ask(t.Context(), dir, "echo", nil, nil), ErrNotRunning)
	s := serve(t, dir, map[string]Action{
		"echo": func(_ context.Context, apps []string) (any, error) { return apps, nil },
		"fail": func(context.Context, []string) (any, error) { return nil, errors.New("orders has no sidecar") },
	})
	var got []string
	require.NoError(t, Ask(t.Context(), dir, "echo", []string{"orders", "cart"}, &got))
	require.Equal(t, []string{"orders", "cart"}, got)
	require.EqualError(t, Ask(t.Context(), dir, "fail", nil, &got), "orders has no sidecar")
	require.ErrorContains(t, Ask(t.Context(), dir, "unknown", nil, &got), "404 Not Found: it runs another version")
	s.Close()
	require.ErrorContains(t, Ask(t.Context(), dir, "echo", nil, &got), "takes no requests")
}

func TestOnlyTheOwnerOfTheShopMayAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	asked := false
	serve(t, dir, map[string]Action{"restart": func(context.Context, []string) (any, error) {
		asked = true
		return nil, nil
	}})
	info, err := os.Stat(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	_, address, _ := strings.Cut(string(text), `"address":"`)
	address, _, _ = strings.Cut(address, `"`)
	for _, token := range []string{"", "Bearer ", "Bearer guessed"} {
		status, _ := launchtest.Post("http://"+address+"/restart", `{"apps":["orders"]}`, "Authorization", token)
		require.Equal(t, http.StatusForbidden, status, token)
	}
	require.False(t, asked)
}

// A command that is interrupted, and a supervisor that is told to stop, end what they wait for.
func TestRequestEndsWithTheCommandAndWithTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	entered, ended := make(chan struct{}), make(chan struct{})
	s := serve(t, dir, map[string]Action{"wait": func(ctx context.Context, _ []string) (any, error) {
		entered <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	ask := func(ctx context.Context) { result <- Ask(ctx, dir, "wait", nil, nil) }
	go ask(ctx)
	<-entered
	cancel()
	<-ended
	require.ErrorIs(t, <-result, context.Canceled)

	go ask(t.Context())
	<-entered
	s.Close()
	<-ended
	require.Error(t, <-result)
}
