// Package moving moves whole shops from one state store to another, and goes on buying there.
package moving

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/archive"
	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/tests/api"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: starts real sidecars")
		return
	}
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// start starts a shop. Its documents are made from its logs.
func start(t *testing.T, o config.Options, env map[string]string) *launch.Shop {
	t.Helper()
	o.Env = maps.Clone(o.Env)
	maps.Copy(o.Env, env)
	s, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if s.State().Status != rundir.Stopped {
			_ = s.Stop(context.Background())
		}
	})
	return s
}

// seenBy is a shop as who moves it sees it.
func seenBy(s *launch.Shop) archive.Client {
	return archive.Client{Gateway: s.GatewayURL(), Sidecar: s.SidecarHTTP, SignIn: func(ctx context.Context) (string, error) {
		session, err := api.New(s.GatewayURL()).Login(ctx, api.AdminEmail, api.AdminPassword)
		return session.AccessToken, err
	}}
}

// moved exports a shop, which it stops, and gives the same shop as to says.
func moved(t *testing.T, from *launch.Shop, to config.Options) *launch.Shop {
	t.Helper()
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "shop.ndjson.gz")
	prints, err := secrets.Fingerprints(from.RunDir())
	require.NoError(t, err)
	was, err := archive.Export(ctx, seenBy(from), file, archive.ExportOptions{State: "some store", Secrets: prints, StayReadOnly: true, Log: t.Output()})
	require.NoError(t, err)
	readOnly(t, from)
	require.NoError(t, from.Stop(ctx))

	empty := start(t, to, archive.ImportEnv)
	require.NoError(t, archive.Import(ctx, seenBy(empty), file))
	require.NoError(t, archive.Import(ctx, seenBy(empty), file), "as after one that was interrupted")
	require.NoError(t, empty.Stop(ctx))

	there := start(t, to, map[string]string{"REBUILD": "on"})
	is, err := seenBy(there).Summarize(ctx)
	require.NoError(t, err)
	require.Empty(t, is.Differences(was.Summary))
	return there
}

// readOnly demands that the shop can be looked at and not changed.
func readOnly(t *testing.T, s *launch.Shop) {
	t.Helper()
	c := api.New(s.GatewayURL())
	_, err := c.Products(t.Context(), nil)
	require.NoError(t, err)
	_, err = c.NewCart(t.Context())
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 503, p.Status)
	require.Equal(t, "read-only", p.Name())
	require.NotEmpty(t, p.Header.Get("Retry-After"))
}

// options are of a shop in dir that nobody else's tests disturb.
func options(t *testing.T, dir, state string, env map[string]string) config.Options {
	all := map[string]string{"RATE_LIMIT": "off"}
	maps.Copy(all, env)
	return config.Options{RunDir: dir, State: state, FreePorts: true, Env: all, Log: t.Output()}
}
